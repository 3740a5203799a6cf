//! Training as a guest: steps recorded into the host's encoder, which the host submits.

use super::arguments::check_batch_size;
use super::executor::Executor;
use super::model::Model;
use super::scores::Scores;
use crate::data::Batch;
use crate::error::{Error, Result};
use crate::gpu::CommandEncoder;
use crate::program::{Metrics, Pass};

/// What recorded steps add up to.
#[derive(Debug, Default)]
pub(super) struct Recorded {
    samples: usize,
    /// What was read already; the rest is still on the device, or in what the host has not
    /// submitted yet.
    read: Metrics,
}

impl Model {
    /// Allocates and compiles what [`record_step`](Self::record_step) needs for batches of up to
    /// `batch_size` samples.
    ///
    /// # Errors
    /// [`Error::Argument`] if the model is on the CPU or the device cannot hold such batches,
    /// [`Error::Device`] if the device fails.
    pub async fn prepare_steps(&mut self, batch_size: usize) -> Result<()> {
        check_batch_size("batch_size", batch_size)?;
        if let Executor::Cpu(_) | Executor::CpuInF64(_) = self.executor {
            return Err(on_the_cpu());
        }
        self.keep_totals().await?;
        // A call that was cut short, its future dropped, has not said that it ended.
        self.running = 0;
        self.executor.prepare(Pass::Train, batch_size).await
    }

    /// Records one training step into the caller's encoder, to be submitted by the caller: see
    /// [`GpuExecutor::record`](crate::gpu::GpuExecutor::record). Counts as a step at once. It may
    /// poll the device, so callbacks of the host's may run meanwhile.
    ///
    /// Every other call that uses the device (`weight`, `take_scores`, `evaluate`, ...) submits
    /// for itself, so it comes before what is recorded and not yet submitted. If it makes room for
    /// a larger batch than any before, the scores of what is not yet submitted are lost: submit
    /// first, or let `prepare_steps` make that room.
    ///
    /// # Errors
    /// Those of `GpuExecutor::record`, and [`Error::Argument`] if the model is on the CPU, a label
    /// is out of range, or `fit` or `evaluate` has not ended; the step does not count then, and
    /// nothing is recorded.
    pub fn record_step(&mut self, encoder: &mut CommandEncoder, batch: Batch<'_>) -> Result<()> {
        if self.running > 0 {
            let problem = "is called amidst fit or evaluate, whose scores its own would join; \
                           call it after them, or prepare_steps first if they were cut short";
            return Err(Error::argument("record_step", problem));
        }
        let data = self.arranged(batch.data, true)?;
        let batch = Batch { data: &data, ..batch };
        self.check_batch(batch, true)?;
        let step = self.next_step(batch.len());
        let recorded = match &mut self.executor {
            Executor::Gpu(gpu) => gpu.record(encoder, Pass::Train, batch, &step),
            Executor::Cpu(_) | Executor::CpuInF64(_) => Err(on_the_cpu()),
        };
        match recorded {
            Ok(()) => {
                self.recorded.samples += batch.len();
                self.last_rows = batch.len();
            }
            Err(_) => self.steps -= 1,
        }
        recorded
    }

    /// Mean loss and metrics of the samples that [`record_step`](Self::record_step) has trained on
    /// since the last call, and begins anew; `None` if there was no step. All of them must have
    /// been submitted. Submits a small copy and waits for it.
    ///
    /// # Errors
    /// [`Error::Device`] if the device fails, [`Error::NonFinite`] if the loss was not a number.
    pub async fn take_scores(&mut self) -> Result<Option<Scores>> {
        self.keep_recorded().await?;
        let Recorded { samples, read, .. } = std::mem::take(&mut self.recorded);
        match self.report.nonfinite_step(&read, self.steps) {
            Some(step) => Err(Error::NonFinite { step, batch: None }),
            None => Ok((samples > 0).then(|| self.report.scores(&read, samples))),
        }
    }

    /// Takes what recorded steps have gathered off the device, for calls that clear it or use it
    /// for scores of their own. More may come until the scores are taken: only the host knows when
    /// it submits. Amidst fit or evaluate, what is on the device is theirs.
    pub(super) async fn keep_recorded(&mut self) -> Result<()> {
        if self.recorded.samples > 0 && self.running == 0 {
            let metrics = self.executor.read_metrics().await?;
            self.executor.clear_metrics()?;
            self.recorded.read = self.recorded.read.plus(&metrics);
        }
        Ok(())
    }
}

fn on_the_cpu() -> Error {
    Error::argument("backend", "the model runs on the CPU; to record its steps, build it on a Gpu")
}
