//! Training as a guest: steps recorded into the host's encoder, which the host submits.

use super::arguments::check_batch_size;
use super::executor::Executor;
use super::model::Model;
use super::scores::Scores;
use super::session::{Recorded, Session};
use crate::data::Batch;
use crate::error::{Error, Result};
use crate::gpu::CommandEncoder;
use crate::program::Pass;

impl Model {
    /// Allocates and compiles what [`record_step`](Self::record_step) needs for batches of up to
    /// `batch_size` samples.
    ///
    /// # Errors
    /// [`Error::Argument`] if the model is on the CPU or the device cannot hold such batches,
    /// [`Error::Device`] if the device fails.
    pub async fn prepare_steps(&mut self, batch_size: usize) -> Result<()> {
        check_batch_size("batch_size", batch_size)?;
        let session = &mut self.session;
        if let Executor::Cpu(_) | Executor::CpuInF64(_) = session.executor {
            return Err(on_the_cpu());
        }
        session.forget_cancelled()?;
        session.flush_totals().await?;
        session.executor.prepare(Pass::Train, batch_size).await
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
    /// Those of `GpuExecutor::record`, and [`Error::Argument`] if the model is on the CPU or a label
    /// is out of range; the step does not count then, and nothing is recorded.
    pub fn record_step(&mut self, encoder: &mut CommandEncoder, batch: Batch<'_>) -> Result<()> {
        let session = &mut self.session;
        session.forget_cancelled()?;
        let data = session.arranged(batch.data, true)?;
        let batch = Batch { data: &data, ..batch };
        session.check_batch(batch, true)?;
        let step = session.next_step(Pass::Train, batch.len());
        match &mut session.executor {
            Executor::Gpu(gpu) => gpu.record(encoder, Pass::Train, batch, &step)?,
            Executor::Cpu(_) | Executor::CpuInF64(_) => return Err(on_the_cpu()),
        }
        session.count_step(Pass::Train);
        session.recorded.samples += batch.len();
        session.last_rows = batch.len();
        Ok(())
    }

    /// Mean loss and metrics of the samples that [`record_step`](Self::record_step) has trained on
    /// since the last call, and begins anew; `None` if there was no step. All of them must have
    /// been submitted. Submits a small copy and waits for it.
    ///
    /// # Errors
    /// [`Error::Device`] if the device fails, [`Error::NonFinite`] if the loss was not a number.
    pub async fn take_scores(&mut self) -> Result<Option<Scores>> {
        let session = &mut self.session;
        session.forget_cancelled()?;
        session.flush_recorded().await?;
        let Recorded { samples, read, .. } = std::mem::take(&mut session.recorded);
        match session.report.nonfinite_step(&read, session.steps()) {
            Some(step) => Err(Error::NonFinite { step, batch: None }),
            None => Ok((samples > 0).then(|| session.report.scores(&read, samples))),
        }
    }
}

impl Session {
    /// Moves the totals of recorded steps from the device to the host, before another call clears
    /// the device's or adds to them. More may come until the scores are taken: only the host knows
    /// when it submits. While fit or evaluate runs, the totals on the device are its own.
    pub async fn flush_recorded(&mut self) -> Result<()> {
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
