//! Training as a guest: steps recorded into the host's encoder, which the host submits.

use super::arguments::check_batch_size;
use super::executor::Executor;
use super::feed::fill;
use super::model::Model;
use super::scores::Scores;
use super::session::Session;
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
        // A recorded step is a whole batch, so it is not cut.
        let rows = session.rows_at_once(Pass::Train, batch_size)?;
        let Executor::Gpu(gpu) = &mut session.executor else { return Err(on_the_cpu()) };
        gpu.reserve(rows).await?;
        gpu.prepare_up_to(Pass::Train, rows).await
    }

    /// Records one training step into the caller's encoder, to be submitted by the caller: see
    /// [`GpuExecutor::record`](crate::gpu::GpuExecutor::record). It may poll the device, so that
    /// the host's own callbacks may run meanwhile.
    ///
    /// The step counts from now on; if its encoder is dropped without being submitted, it no longer
    /// does. Its number, on which Adam's bias corrections depend, is fixed now: one more than the
    /// number of steps that ran or may still run.
    ///
    /// Every other call that uses the device (`weight`, `take_scores`, `evaluate`, ...) submits
    /// work of its own, which the device runs before recorded steps that are not yet submitted. If
    /// such a call uses a larger batch than any before, the scores of steps that are not yet
    /// submitted are lost: submit first, or call `prepare_steps` with the larger size beforehand.
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
        if let Some(rows) = session.compiled.micro_batch_size.filter(|&rows| rows < batch.len()) {
            let problem = format!(
                "of {} samples is larger than the {rows} of micro_batch_size; record_step records \
                 whole batches",
                batch.len()
            );
            return Err(Error::argument("batch", problem));
        }
        session.settle_recorded();
        let step = session.next_step(Pass::Train, batch.len());
        let Executor::Gpu(gpu) = &mut session.executor else {
            return Err(on_the_cpu());
        };
        let mut feed = gpu.try_feed(batch.len())?;
        fill(&mut feed, gpu.program(), Pass::Train, batch)?;
        gpu.record(encoder, Pass::Train, feed, &step)?;
        session.count_step(Pass::Train);
        session.last_rows = batch.len();
        Ok(())
    }

    /// Mean loss and metrics of the samples that [`record_step`](Self::record_step) has trained on
    /// since the last call; `None` if there was no step. Steps that were not submitted yet are left
    /// for the next call, and steps whose encoder was dropped never count. Submits a small copy and
    /// waits for it.
    ///
    /// # Errors
    /// [`Error::Device`] if the device fails, [`Error::NonFinite`] if the loss was not a number.
    pub async fn take_scores(&mut self) -> Result<Option<Scores>> {
        let session = &mut self.session;
        session.forget_cancelled()?;
        session.flush_recorded().await?;
        session.settle_recorded();
        let samples = std::mem::take(&mut session.recorded.samples);
        let read = std::mem::take(&mut session.recorded.read);
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
    pub(super) async fn flush_recorded(&mut self) -> Result<()> {
        let recorded = |executor: &Executor| match executor {
            Executor::Gpu(gpu) if gpu.has_recorded() => Some(gpu.recorded_samples()),
            Executor::Gpu(_) | Executor::Cpu(_) | Executor::CpuInF64(_) => None,
        };
        if self.running == 0 && recorded(&self.executor).is_some() {
            let metrics = self.executor.read_metrics().await?;
            self.recorded.samples += recorded(&self.executor).unwrap_or(0);
            self.recorded.read = self.recorded.read.plus(&metrics);
            self.executor.clear_metrics()?;
        }
        Ok(())
    }

    /// Takes steps whose encoder was dropped back from the model's count.
    pub(super) fn settle_recorded(&mut self) {
        let steps = self.steps();
        if let Executor::Gpu(gpu) = &self.executor {
            self.recorded.dropped = gpu.dropped_steps();
        }
        self.steps = steps;
    }

    /// Steps that are still in `steps` though their encoder was dropped.
    pub(super) fn unsettled_steps(&self) -> u64 {
        match &self.executor {
            Executor::Gpu(gpu) => gpu.dropped_steps().saturating_sub(self.recorded.dropped),
            Executor::Cpu(_) | Executor::CpuInF64(_) => 0,
        }
    }
}

fn on_the_cpu() -> Error {
    Error::argument("backend", "the model runs on the CPU; to record its steps, build it on a Gpu")
}
