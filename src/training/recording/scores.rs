//! What recorded steps have added up to, and which of them never ran.

use crate::error::{Error, Result};
use crate::training::executor::Executor;
use crate::training::model::Model;
use crate::training::scores::Scores;
use crate::training::session::{Added, Session};

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
        let Added { samples, metrics } = std::mem::take(&mut session.recorded.trained);
        match session.report.nonfinite_step(&metrics, session.steps()) {
            Some(step) => Err(Error::NonFinite { step, batch: None }),
            None => Ok((samples > 0).then(|| session.report.scores(&metrics, samples))),
        }
    }

    /// Mean loss and metrics of the samples of recorded evaluations
    /// ([`record_evaluation`](Self::record_evaluation) and others) since the last call; `None` if there
    /// was none. As with [`take_scores`](Self::take_scores), which these have nothing to do with, what was
    /// not submitted yet is left for the next call. Submits a small copy and waits for it.
    ///
    /// # Errors
    /// [`Error::Device`] if the device fails.
    pub async fn take_evaluation_scores(&mut self) -> Result<Option<Scores>> {
        let session = &mut self.session;
        session.forget_cancelled()?;
        session.flush_evaluated().await?;
        let Added { samples, metrics } = std::mem::take(&mut session.recorded.evaluated);
        Ok((samples > 0).then(|| session.report.scores(&metrics, samples)))
    }
}

impl Session {
    /// Moves the totals of recorded steps and evaluations from the device to the host, before another
    /// call clears the device's or adds to them. More may come until the scores are taken: only the host knows
    /// when it submits. While fit or evaluate runs, the totals on the device are its own.
    pub(in crate::training) async fn flush_recorded(&mut self) -> Result<()> {
        self.flush_evaluated().await?;
        if self.running == 0
            && let Executor::Gpu(gpu) = &mut self.executor
            && gpu.has_recorded()
        {
            let metrics = gpu.read_metrics().await?;
            self.recorded.trained.add(gpu.recorded_samples(), &metrics);
            gpu.clear_metrics()?;
        }
        Ok(())
    }

    /// The same of recorded evaluations alone, to which nothing else adds.
    async fn flush_evaluated(&mut self) -> Result<()> {
        if let Executor::Gpu(gpu) = &mut self.executor
            && gpu.has_evaluated()
        {
            let metrics = gpu.read_evaluations().await?;
            self.recorded.evaluated.add(gpu.evaluated_samples(), &metrics);
            gpu.clear_evaluations()?;
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
