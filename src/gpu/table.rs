//! The memory of a program's buffers on the device.

use std::sync::Arc;

use wgpu::BufferUsages;

use super::device::Gpu;
use crate::error::{Error, Result};
use crate::operation::Dispatch;
use crate::program::{Buffer, BufferId, Placement, Program, Role, Rows, all_dispatches, used};

/// A program's buffers, allocated once for batches of up to `capacity` samples.
#[derive(Clone)]
pub(super) struct Table {
    program: Arc<Program>,
    capacity: usize,
    // By `BufferId::index`; `None` for slices and for what no dispatch uses.
    buffers: Vec<Option<wgpu::Buffer>>,
}

impl Table {
    /// Allocates for batches of up to `capacity` samples, for which the device has room; all zeros.
    ///
    /// # Errors
    /// [`Error::Device`] if a buffer cannot be made.
    pub(super) async fn new(gpu: &Gpu, program: Arc<Program>, capacity: usize) -> Result<Self> {
        let buffers = vec![None; program.buffers().count()];
        let mut table = Table { program, capacity, buffers };
        table.allocate(gpu, |_| true).await?;
        Ok(table)
    }

    /// The same with room for `capacity` samples: what belongs to a batch is new and zero, the
    /// rest is shared. This table stays as it is.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub(super) async fn with_capacity(&self, gpu: &Gpu, capacity: usize) -> Result<Self> {
        let program = Arc::clone(&self.program);
        let mut table = Table { program, capacity, buffers: self.buffers.clone() };
        table.allocate(gpu, |buffer| buffer.rows == Rows::Batch).await?;
        Ok(table)
    }

    /// The same with metrics of its own, all zeros; the rest is shared.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub(super) async fn with_own_metrics(&self, gpu: &Gpu) -> Result<Self> {
        let program = Arc::clone(&self.program);
        let mut table = Table { program, capacity: self.capacity, buffers: self.buffers.clone() };
        table.allocate(gpu, |buffer| buffer.role == Role::Metric).await?;
        Ok(table)
    }

    /// Samples for which there is room.
    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// The buffer called `id` in the program.
    pub(super) fn describe(&self, id: BufferId) -> &Buffer {
        self.program.buffer(id)
    }

    /// The allocation that holds `id`, and the byte at which it begins.
    ///
    /// # Errors
    /// [`Error::Argument`] if no dispatch uses it, so that it has no memory.
    pub(super) fn locate(&self, id: BufferId) -> Result<(&wgpu::Buffer, u64)> {
        let (owner, offset) = match self.describe(id).placement {
            Placement::Own => (id, 0),
            Placement::Slice { arena, offset } => (arena, offset as u64 * 4),
        };
        let buffer = self.buffers[owner.index()].as_ref().ok_or_else(|| {
            Error::argument("buffer", format!("{} has no memory here", self.describe(id).name))
        })?;
        Ok((buffer, offset))
    }

    /// `id` as a resource of a bind group.
    ///
    /// # Errors
    /// As [`locate`](Self::locate).
    pub(super) fn binding(&self, id: BufferId) -> Result<wgpu::BindingResource<'_>> {
        let (buffer, offset) = self.locate(id)?;
        Ok(wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer,
            offset,
            size: wgpu::BufferSize::new(self.byte_size(id)),
        }))
    }

    /// Bytes allocated for `id`.
    pub(super) fn byte_size(&self, id: BufferId) -> u64 {
        self.describe(id).bytes(self.capacity)
    }

    /// Shows what is allocated, and its bytes.
    pub(super) fn each(&self, mut see: impl FnMut(BufferId, u64)) {
        for ((id, _), buffer) in self.program.buffers().zip(&self.buffers) {
            if let Some(buffer) = buffer {
                see(id, buffer.size());
            }
        }
    }

    async fn allocate(&mut self, gpu: &Gpu, which: impl Fn(&Buffer) -> bool) -> Result<()> {
        let used = used(&self.program, &dispatches(&self.program, gpu, self.capacity)?);
        let wanted = |id: BufferId, buffer: &Buffer| {
            buffer.placement == Placement::Own && used[id.index()] && which(buffer)
        };
        let make = |(id, buffer): (BufferId, &Buffer)| {
            let name = format!("minibatch.{}", buffer.name);
            let label = gpu.label(&name);
            let descriptor = wgpu::BufferDescriptor {
                label: Some(&label),
                size: buffer.bytes(self.capacity),
                usage: BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST,
                mapped_at_creation: false,
            };
            (id, gpu.create_buffer(&descriptor))
        };
        let made: Vec<_> = gpu
            .scoped(|| {
                let buffers = self.program.buffers();
                Ok(buffers.filter(|(id, buffer)| wanted(*id, buffer)).map(make).collect())
            })
            .await?;
        for (id, buffer) in made {
            self.buffers[id.index()] = Some(buffer);
        }
        Ok(())
    }
}

/// The dispatches of all passes for batches of `rows` rows.
pub(super) fn dispatches(program: &Program, gpu: &Gpu, rows: usize) -> Result<Vec<Dispatch>> {
    all_dispatches(program, rows, gpu.adapter())
}
