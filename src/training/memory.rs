//! What a model takes of its device's memory.

use std::sync::Arc;

use super::arguments::check_batch_size;
use super::executor::Executor;
use super::model::Model;
use crate::error::Result;
use crate::gpu::{Gpu, check_room, planned_memory};
use crate::model::{Compiled, lower};
use crate::program::MemoryUse;

impl Compiled {
    /// What the model will take on `gpu` once it is [built](Self::build) there,
    /// [prepared](Model::prepare_steps) for training steps of up to `batch_size` samples, and its scores
    /// have been read: to the byte, and before anything is made. A pure function of the model, the batch
    /// size and the adapter.
    ///
    /// A fit also takes what lets several steps be on their way at once, metrics for each
    /// [shard](Compiled::shards) of a batch but the first, and the data if they lie on the device; see
    /// [`Model::memory`].
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) or [`Error::Shape`](crate::Error::Shape) for a model
    /// that cannot be built, or if such batches are beyond the device's limits, with the numbers.
    pub fn memory(&self, gpu: &Gpu, batch_size: usize) -> Result<MemoryUse> {
        check_batch_size("batch_size", batch_size)?;
        let program = Arc::new(lower(self)?);
        let rows = rows_at_once(self, batch_size);
        check_room(gpu, &program, rows)?;
        planned_memory(&program, rows, gpu.adapter(), self.upload_slots.or(gpu.upload_slots))
    }
}

impl Model {
    /// What the model takes now on the device, or on the host if that is the CPU: all of its buffers, to
    /// the byte, and the data that lie on the device for it. Rows of a host's own buffers, and what was
    /// bound for them, are not among it.
    #[must_use]
    pub fn memory(&self) -> MemoryUse {
        match &self.session.executor {
            Executor::Cpu(cpu) => cpu.memory_use(cpu.capacity()),
            Executor::CpuInF64(cpu) => cpu.memory_use(cpu.capacity()),
            Executor::Gpu(gpu) => gpu.memory_use(),
        }
    }

    /// What it takes to train in batches of up to `batch_size` samples where it runs, as
    /// [`Compiled::memory`] counts it.
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) if a size does not fit the kernels' 32-bit counts.
    pub fn memory_for(&self, batch_size: usize) -> Result<MemoryUse> {
        let rows = rows_at_once(&self.session.compiled, batch_size);
        match &self.session.executor {
            Executor::Cpu(cpu) => Ok(cpu.memory_use(rows)),
            Executor::CpuInF64(cpu) => Ok(cpu.memory_use(rows)),
            Executor::Gpu(gpu) => {
                let (adapter, slots) = (gpu.gpu().adapter(), gpu.gpu().upload_slots);
                planned_memory(gpu.program(), rows, adapter, slots)
            }
        }
    }
}

/// Rows of a batch that run at a time.
fn rows_at_once(compiled: &Compiled, batch_size: usize) -> usize {
    let part = compiled.shards.map(|shards| batch_size.div_ceil(shards.max(1)));
    part.or(compiled.micro_batch_size).unwrap_or(batch_size).min(batch_size).max(1)
}
