//! Batches that run in parts, one after the other, where the whole does not fit the device.

use std::sync::Arc;

use super::executor::Executor;
use super::model::Model;
use super::session::Session;
use crate::error::{Error, Result};
use crate::gpu::GpuExecutor;
use crate::model::{Compiled, lowered, needs_whole_batches, tensors};
use crate::program::Pass;

impl Model {
    /// Rows of a batch that run at a time in training: as
    /// [`Compiled::micro_batch_size`](crate::model::Compiled::micro_batch_size) said, else chosen when
    /// [`fit`](Self::fit) or [`train_on_batch`](Self::train_on_batch) was given a batch that does not
    /// fit the device; `None` if batches run as a whole.
    ///
    /// What is chosen depends on the model, the device's limits and
    /// [`Gpu::memory_budget`](crate::Gpu::memory_budget) alone: the fewest parts that fit, as equal as
    /// possible. It is saved with the model, so that a training that goes on elsewhere has the same
    /// bits.
    #[must_use]
    pub fn micro_batch_size(&self) -> Option<usize> {
        self.session.compiled.micro_batch_size
    }
}

/// Rows of each part, but for the last one, of the fewest and most equal parts of `rows` rows that
/// are not larger than `most`.
fn equal_parts(rows: usize, most: usize) -> usize {
    rows.div_ceil(rows.div_ceil(most.max(1)).max(1)).max(1)
}

impl Session {
    /// How many of a batch's rows run at a time, at least 1.
    pub(super) fn rows_at_once(&mut self, pass: Pass, rows: usize) -> Result<usize> {
        if let Some(shards) = self.compiled.shards {
            return Ok(rows.div_ceil(shards.max(1)).max(1));
        }
        let chosen = self.compiled.micro_batch_size;
        let at_once = match pass {
            Pass::Train => chosen.unwrap_or(rows),
            Pass::Evaluate | Pass::Gradients => {
                chosen.unwrap_or(rows).min(self.fitting_parts(rows)?)
            }
            Pass::Predict => self.fitting_parts(rows)?,
            Pass::AddPart
            | Pass::TakeParts
            | Pass::KeepShards
            | Pass::AddShards
            | Pass::Accumulate
            | Pass::Update => rows,
        };
        Ok(at_once.min(rows).max(1))
    }

    /// Rows of the parts in which a batch runs forward.
    fn fitting_parts(&mut self, rows: usize) -> Result<usize> {
        let gpu = match &self.executor {
            Executor::Gpu(gpu) if rows > gpu.capacity() => gpu,
            Executor::Gpu(_) | Executor::Cpu(_) | Executor::CpuInF64(_) => return Ok(rows),
        };
        if let Some((known, parts)) = self.fitting
            && known == rows
        {
            return Ok(parts);
        }
        let most = GpuExecutor::most_rows(gpu.gpu(), &self.program, rows)?;
        let parts = equal_parts(rows, most);
        self.fitting = Some((rows, parts));
        Ok(parts)
    }

    /// Lets batches of `rows` rows train in parts if they do not fit the device, unless it was said
    /// how they run.
    ///
    /// # Errors
    /// [`Error::Argument`] if the model cannot be trained in parts, with the largest batch that fits.
    pub(super) async fn cut_if_too_large(&mut self, rows: usize) -> Result<()> {
        let gpu = match &self.executor {
            Executor::Gpu(gpu) if rows > gpu.capacity() => gpu,
            Executor::Gpu(_) | Executor::Cpu(_) | Executor::CpuInF64(_) => return Ok(()),
        };
        if self.compiled.micro_batch_size.is_some() || self.compiled.shards.is_some() {
            return Ok(());
        }
        let most = GpuExecutor::most_rows(gpu.gpu(), &self.program, rows)?;
        if most >= rows {
            return Ok(());
        }
        let refused = |problem: String| Err(Error::argument("batch_size", problem));
        if let Some(reason) = needs_whole_batches(&self.program) {
            return refused(format!(
                "is {rows}, of which {most} rows at a time fit this device, and {reason}; give at \
                 most {most}"
            ));
        }
        if gpu.has_recorded() {
            return refused(format!(
                "is {rows}, of which {most} rows at a time fit this device; submit the recorded \
                 steps before the batches are cut in parts"
            ));
        }
        // Adding up the parts takes memory of its own.
        let compiled = Compiled { micro_batch_size: Some(1), ..self.compiled.clone() };
        let program = Arc::new(lowered(&compiled)?.program);
        let most = GpuExecutor::most_rows(gpu.gpu(), &program, rows)?;
        self.run_in_parts(equal_parts(rows, most)).await
    }

    /// Goes on with a program whose batches run in parts of so many rows.
    pub(super) async fn run_in_parts(&mut self, rows: usize) -> Result<()> {
        let micro_batch_size = Some(rows);
        self.recompile(Compiled { micro_batch_size, ..self.compiled.clone() }).await
    }

    /// Goes on with a program whose batches are cut into so many shards.
    pub(super) async fn run_in_shards(&mut self, shards: usize) -> Result<()> {
        self.recompile(Compiled { shards: Some(shards), ..self.compiled.clone() }).await
    }

    /// Goes on with another program that has the same tensors.
    async fn recompile(&mut self, compiled: Compiled) -> Result<()> {
        self.flush_totals().await?;
        self.settle_recorded();
        let (kept, _) = self.read_tensors(tensors(&self.program)).await?;
        let mut made = Session::new(compiled, self.executor.backend()).await?;
        made.write_tensors(&kept).await?;
        let Session { compiled, program, report, executor, .. } = made;
        (self.compiled, self.program, self.report) = (compiled, program, report);
        self.executor = executor;
        let profile = self.profile.clone();
        self.executor.set_profile(&profile)?;
        self.fitting = None;
        self.on_device = false;
        // Nothing was recorded on the new executor.
        self.recorded.dropped = 0;
        Ok(())
    }
}
