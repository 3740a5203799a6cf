//! Steps on batches of the host's memory.

use crate::data::Batch;
use crate::error::Result;
use crate::gpu::CommandEncoder;
use crate::program::Pass;
use crate::training::arguments::check_batch_size;
use crate::training::feed::fill;
use crate::training::model::Model;
use crate::training::session::Session;

impl Model {
    /// Allocates and compiles what [`record_step`](Self::record_step) needs for batches of up to
    /// `batch_size` samples.
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) if the model is on the CPU or the device cannot
    /// hold such batches, [`Error::Device`](crate::Error::Device) if the device fails.
    pub async fn prepare_steps(&mut self, batch_size: usize) -> Result<()> {
        self.session.prepare_recorded(Pass::Train, batch_size).await
    }

    /// The same for [`record_evaluation`](Self::record_evaluation), with memory for what it adds up to.
    ///
    /// # Errors
    /// As `prepare_steps`.
    pub async fn prepare_evaluations(&mut self, batch_size: usize) -> Result<()> {
        self.session.prepare_recorded(Pass::Evaluate, batch_size).await
    }

    /// The same for [`record_prediction`](Self::record_prediction).
    ///
    /// # Errors
    /// As `prepare_steps`.
    pub async fn prepare_predictions(&mut self, batch_size: usize) -> Result<()> {
        self.session.prepare_recorded(Pass::Predict, batch_size).await
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
    /// Those of `GpuExecutor::record`, and [`Error::Argument`](crate::Error::Argument) if the model is
    /// on the CPU or a label is out of range; the step does not count then, and nothing is recorded.
    pub fn record_step(&mut self, encoder: &mut CommandEncoder, batch: Batch<'_>) -> Result<()> {
        self.session.record_batch(encoder, Pass::Train, batch)
    }

    /// Records the evaluation of one batch into the caller's encoder. What it adds up to comes by
    /// [`take_evaluation_scores`](Self::take_evaluation_scores), apart from that of the steps around it.
    /// [`prepare_evaluations`](Self::prepare_evaluations) makes room for it.
    ///
    /// # Errors
    /// As [`record_step`](Self::record_step).
    pub fn record_evaluation(
        &mut self,
        encoder: &mut CommandEncoder,
        batch: Batch<'_>,
    ) -> Result<()> {
        self.session.record_batch(encoder, Pass::Evaluate, batch)
    }

    /// Records the prediction of one batch into the caller's encoder. The predictions stay on the
    /// device, one row for each sample, where [`binding`](Self::binding) says for the name of an output,
    /// until another batch runs. [`prepare_predictions`](Self::prepare_predictions) makes room for it.
    /// Targets are ignored.
    ///
    /// # Errors
    /// As [`record_step`](Self::record_step).
    pub fn record_prediction(
        &mut self,
        encoder: &mut CommandEncoder,
        batch: Batch<'_>,
    ) -> Result<()> {
        self.session.record_batch(encoder, Pass::Predict, batch)
    }
}

impl Session {
    async fn prepare_recorded(&mut self, pass: Pass, batch_size: usize) -> Result<()> {
        check_batch_size("batch_size", batch_size)?;
        self.recording()?;
        self.forget_cancelled()?;
        self.flush_totals().await?;
        // What is recorded is a whole batch, so it is not cut.
        let rows =
            if pass == Pass::Train { self.rows_at_once(pass, batch_size)? } else { batch_size };
        let gpu = self.recording()?;
        gpu.reserve(rows).await?;
        if pass == Pass::Evaluate {
            gpu.prepare_evaluations(rows).await
        } else {
            gpu.prepare_up_to(pass, rows).await
        }
    }

    fn record_batch(
        &mut self,
        encoder: &mut CommandEncoder,
        pass: Pass,
        batch: Batch<'_>,
    ) -> Result<()> {
        let judged = pass != Pass::Predict;
        self.forget_cancelled()?;
        let data = self.arranged(batch.data, judged)?;
        let batch = Batch { data: &data, ..batch };
        self.check_batch(batch, judged)?;
        if pass == Pass::Train {
            self.check_whole("batch", batch.len())?;
        }
        self.settle_recorded();
        let step = self.next_step(pass, batch.len());
        let gpu = self.recording()?;
        let mut feed = gpu.try_feed(batch.len())?;
        fill(&mut feed, gpu.program(), pass, batch)?;
        gpu.record(encoder, pass, feed, &step)?;
        self.count_step(pass);
        self.last_rows = batch.len();
        Ok(())
    }
}
