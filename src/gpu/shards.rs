//! The shards of a batch: a set of metrics for each, and their gradients, which are kept and added up on the
//! device, and exchanged with other processes by the host.

use super::completion::Completion;
use super::dispatches::record_pass;
use super::executor::GpuExecutor;
use super::labels::encoder;
use super::own_metrics::OwnMetrics;
use crate::error::{Error, Result};
use crate::program::{BufferId, Pass, Step};

/// Gradients on their way from the device.
pub struct Gradients(Completion<Vec<f32>>);

impl std::fmt::Debug for Gradients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gradients").finish_non_exhaustive()
    }
}

impl Gradients {
    /// All of them, as they lie on the device: of each parameter after the other, padding included.
    ///
    /// # Errors
    /// [`Error::Device`] if the device fails.
    pub async fn wait(&self) -> Result<Vec<f32>> {
        self.0.wait().await
    }
}

impl GpuExecutor {
    /// Makes metrics for so many shards, at least 1, if there are fewer.
    ///
    /// # Errors
    /// [`Error::Device`] if the device fails.
    pub async fn reserve_shards(&mut self, shards: usize) -> Result<()> {
        while self.shards.others.len() + 1 < shards {
            let own = OwnMetrics::new(self.bind_to(&self.table, &self.upload)).await?;
            self.shards.others.push(own);
        }
        Ok(())
    }

    /// Compiles and binds what [`add_up_shards`](Self::add_up_shards) and the second half of a step
    /// dispatch, for the shard that runs.
    ///
    /// # Errors
    /// [`Error::Device`] if the device fails.
    pub async fn prepare_shards(&mut self) -> Result<()> {
        self.prepare(Pass::KeepShards, 1).await?;
        self.prepare(Pass::AddShards, 1).await?;
        self.prepare(Pass::Accumulate, 1).await
    }

    /// Lets what runs from now on add to the metrics of this shard, from 0.
    ///
    /// # Errors
    /// [`Error::Argument`] if there are no metrics for it, [`Error::Device`] if the device fails.
    pub fn begin_shard(&mut self, shard: usize) -> Result<()> {
        if shard == self.shards.current {
            return Ok(());
        }
        if shard > self.shards.others.len() {
            let problem = format!("is {shard}, with metrics for {}", self.shards.others.len() + 1);
            return Err(Error::argument("shard", problem));
        }
        self.submit_gathered_now()?;
        self.shards.current = shard;
        Ok(())
    }

    /// Adds to the gradients those that were kept at these heights of the tree over the shards, in this
    /// order, and keeps the sum at height `keep`.
    ///
    /// # Errors
    /// [`Error::Device`] if the device fails.
    pub async fn add_up_shards(
        &mut self,
        added: &[usize],
        keep: Option<usize>,
        step: &Step,
    ) -> Result<()> {
        const KEEP: &[Pass] = &[Pass::KeepShards];
        const ADD: &[Pass] = &[Pass::AddShards];
        if added.is_empty() && keep.is_none() {
            return Ok(());
        }
        // What works on parameters alone does not depend on the rows.
        self.prepare_all([(KEEP, 1), (ADD, 1)]).await?;
        self.submit_gathered_now()?;
        self.dispatched += self.gpu.guarded(|| {
            let offset = self.upload.write_step(&self.gpu, step)?;
            let mut encoder = encoder(&self.gpu, "minibatch.shards");
            let plans = self.shards.current(&self.plans);
            let at = |lists, level| plans.dispatches(lists, 1).skip(level).take(1);
            let added = added.iter().flat_map(|&level| at(ADD, level));
            let bound = added.chain(keep.into_iter().flat_map(|level| at(KEEP, level)));
            let count = record_pass(&self.gpu, &mut encoder, bound, 1, offset)?;
            self.gpu.queue.submit([encoder.finish()]);
            Ok(count)
        })?;
        self.submits += 1;
        self.gpu.check()
    }

    /// Submits a copy of all gradients.
    ///
    /// # Errors
    /// [`Error::Device`] if the device fails, [`Error::Argument`] if batches have no shards.
    pub fn read_gradients(&mut self) -> Result<Gradients> {
        self.submit_gathered_now()?;
        let id = self.shard_gradients()?;
        let (buffer, offset) = self.table.locate(id)?;
        let source = (buffer.clone(), offset, self.table.byte_size(id));
        Ok(Gradients(self.readback.read_reals(&self.gpu, &[source])?))
    }

    /// Replaces all gradients by these, in the order in which [`read_gradients`](Self::read_gradients)
    /// gives them. What is submitted later finds them.
    ///
    /// # Errors
    /// [`Error::Argument`] if they are of another number, [`Error::Device`] if the device has no memory to
    /// bring them there. That the device is lost is found out later.
    pub fn write_gradients(&mut self, gradients: &[f32]) -> Result<()> {
        let expected = self.gradients_len()?;
        if gradients.len() != expected {
            let problem = format!("are {} numbers; expected {expected}", gradients.len());
            return Err(Error::argument("gradients", problem));
        }
        self.submit_gathered_now()?;
        let (buffer, offset) = self.table.locate(self.shard_gradients()?)?;
        self.gpu.guarded(|| {
            self.gpu.queue.write_buffer(buffer, offset, bytemuck::cast_slice(gradients));
            Ok(())
        })
    }

    /// How many [`read_gradients`](Self::read_gradients) gives.
    ///
    /// # Errors
    /// [`Error::Argument`] if batches have no shards.
    pub fn gradients_len(&self) -> Result<usize> {
        Ok((self.table.byte_size(self.shard_gradients()?) / 4) as usize)
    }

    fn shard_gradients(&self) -> Result<BufferId> {
        self.program.shard_gradients().ok_or_else(|| {
            Error::argument("shards", "are none; compile the model with a number of shards")
        })
    }
}
