//! Steps on batches of the host's memory.

use crate::data::Batch;
use crate::error::Result;
use crate::gpu::CommandEncoder;
use crate::program::Pass;
use crate::training::arguments::check_batch_size;
use crate::training::feed::fill;
use crate::training::model::Model;

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
        session.recording()?;
        session.forget_cancelled()?;
        session.flush_totals().await?;
        // A recorded step is a whole batch, so it is not cut.
        let rows = session.rows_at_once(Pass::Train, batch_size)?;
        let gpu = session.recording()?;
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
        session.check_whole("batch", batch.len())?;
        session.settle_recorded();
        let step = session.next_step(Pass::Train, batch.len());
        let gpu = session.recording()?;
        let mut feed = gpu.try_feed(batch.len())?;
        fill(&mut feed, gpu.program(), Pass::Train, batch)?;
        gpu.record(encoder, Pass::Train, feed, &step)?;
        session.count_step(Pass::Train);
        session.last_rows = batch.len();
        Ok(())
    }
}
