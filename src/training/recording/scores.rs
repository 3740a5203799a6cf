//! What recorded steps have added up to, and which of them never ran.

use crate::error::{Error, Result};
use crate::training::executor::Executor;
use crate::training::model::Model;
use crate::training::scores::Scores;
use crate::training::session::Session;

impl Model {
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
    pub(in crate::training) async fn flush_recorded(&mut self) -> Result<()> {
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
    pub(in crate::training) fn settle_recorded(&mut self) {
        let steps = self.steps();
        if let Executor::Gpu(gpu) = &self.executor {
            self.recorded.dropped = gpu.dropped_steps();
        }
        self.steps = steps;
    }

    /// Steps that are still in `steps` though their encoder was dropped.
    pub(in crate::training) fn unsettled_steps(&self) -> u64 {
        match &self.executor {
            Executor::Gpu(gpu) => gpu.dropped_steps().saturating_sub(self.recorded.dropped),
            Executor::Cpu(_) | Executor::CpuInF64(_) => 0,
        }
    }
}
