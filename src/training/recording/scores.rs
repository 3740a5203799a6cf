//! What recorded steps have added up to, and which of them never ran.

use crate::error::{Error, Result};
use crate::gpu::Scored;
use crate::training::executor::Executor;
use crate::training::model::Model;
use crate::training::scores::Scores;
use crate::training::session::{Added, Session};

impl Model {
    /// Mean loss and metrics of the samples that [`record_step`](Self::record_step) has trained on
    /// since the last call; `None` if there was no step. Steps that were not submitted yet are left
    /// for the next call, and steps whose encoder was dropped never count. Submits a small copy and
    /// waits for it. Nothing is lost if the future is dropped: the next call has the scores.
    ///
    /// # Errors
    /// [`Error::Device`] if the device fails, [`Error::NonFinite`] if the loss was not a number.
    pub async fn take_scores(&mut self) -> Result<Option<Scores>> {
        let session = &mut self.session;
        session.forget_cancelled()?;
        session.flush_recorded().await?;
        let added = std::mem::take(&mut session.recorded.trained);
        session.scores_of_steps(&added)
    }

    /// [`take_scores`](Self::take_scores) without waiting, for a loop of frames: the first call after a
    /// step was recorded submits a small copy and returns `None`, and so do the next ones, which submit
    /// nothing, until the copy has arrived; the call after that returns the scores, and submits nothing
    /// either. It never waits and never polls: the copy arrives while the host polls its device or
    /// submits, as it does once a frame. So of a loop that calls it once a frame every second or third
    /// frame has scores.
    ///
    /// Steps that run after the copy was submitted are left for the next one: each sample is in the
    /// scores of one copy exactly. `None` as well if no step has run since the last scores. Other
    /// calls, `take_scores` among them, may come between; nothing is lost. That a device is lost is told
    /// after 64 calls in vain at the latest.
    ///
    /// # Errors
    /// As `take_scores`.
    pub fn try_take_scores(&mut self) -> Result<Option<Scores>> {
        let session = &mut self.session;
        session.forget_cancelled()?;
        match session.try_take_scored(Scored::Training)? {
            Some(added) => session.scores_of_steps(&added),
            None => Ok(None),
        }
    }

    /// [`take_evaluation_scores`](Self::take_evaluation_scores) without waiting, as
    /// [`try_take_scores`](Self::try_take_scores) is.
    ///
    /// # Errors
    /// As `take_evaluation_scores`.
    pub fn try_take_evaluation_scores(&mut self) -> Result<Option<Scores>> {
        let session = &mut self.session;
        session.forget_cancelled()?;
        let added = session.try_take_scored(Scored::Evaluation)?;
        Ok(added.and_then(|added| session.scores_of(&added)))
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
        session.flush_scored(Scored::Evaluation).await?;
        let added = std::mem::take(&mut session.recorded.evaluated);
        Ok(session.scores_of(&added))
    }
}

impl Session {
    /// What recorded training steps have scored; `None` if there was no sample.
    fn scores_of_steps(&mut self, added: &Added) -> Result<Option<Scores>> {
        self.settle_recorded();
        match self.report.nonfinite_step(&added.metrics, self.steps()) {
            Some(step) => Err(Error::NonFinite { step, batch: None }),
            None => Ok(self.scores_of(added)),
        }
    }

    fn scores_of(&self, added: &Added) -> Option<Scores> {
        let Added { samples, metrics } = added;
        (*samples > 0).then(|| self.report.scores(metrics, *samples))
    }

    /// Moves the totals of recorded steps and evaluations from the device to the host, before another
    /// call clears the device's or adds to them. More may come until the scores are taken: only the host knows
    /// when it submits. While fit or evaluate runs, the totals on the device are its own.
    pub(in crate::training) async fn flush_recorded(&mut self) -> Result<()> {
        self.flush_scored(Scored::Evaluation).await?;
        match self.running {
            0 => self.flush_scored(Scored::Training).await,
            _ => Ok(()),
        }
    }

    async fn flush_scored(&mut self, scored: Scored) -> Result<()> {
        let Executor::Gpu(gpu) = &mut self.executor else { return Ok(()) };
        let added = self.recorded.of(scored);
        // What was asked for before, and then what has run since.
        added.extend(gpu.taken(scored).await?);
        gpu.take_scored(scored)?;
        added.extend(gpu.taken(scored).await?);
        Ok(())
    }

    /// What has been taken from the device, or `None` if more is on its way, which this asks for.
    fn try_take_scored(&mut self, scored: Scored) -> Result<Option<Added>> {
        let Executor::Gpu(gpu) = &mut self.executor else { return Ok(None) };
        let added = self.recorded.of(scored);
        match gpu.try_taken(scored)? {
            Some(taken) => added.extend(Some(taken)),
            None if gpu.take_scored(scored)? => return Ok(None),
            None => {}
        }
        Ok(Some(std::mem::take(added)))
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
