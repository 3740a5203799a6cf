//! The memory of a program's buffers on the device.

use std::sync::Arc;

use wgpu::BufferUsages;

use super::device::Gpu;
use super::plan::plan;
use super::upload;
use crate::error::{Error, Result};
use crate::operation::Dispatch;
use crate::operation::kernel::size;
use crate::program::{Buffer, BufferId, Element, Pass, Placement, Program, Role, Rows};

/// A program's buffers, allocated once for batches of up to `capacity` samples.
pub(super) struct Table {
    program: Arc<Program>,
    capacity: usize,
    // By `BufferId::index`; `None` for slices and for what no dispatch uses.
    buffers: Vec<Option<wgpu::Buffer>>,
}

impl Table {
    /// Allocates for batches of up to `capacity` samples; all zeros.
    ///
    /// # Errors
    /// [`Error::Argument`] if a buffer is beyond the device's limits, [`Error::Device`] if it
    /// cannot be made.
    pub(super) async fn new(gpu: &Gpu, program: Arc<Program>, capacity: usize) -> Result<Self> {
        let buffers = vec![None; program.buffers().count()];
        let mut table = Table { program, capacity, buffers };
        check_sizes(gpu, &table.program, &dispatches(&table.program, gpu)?, capacity)?;
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
        check_sizes(gpu, &table.program, &dispatches(&table.program, gpu)?, capacity)?;
        table.allocate(gpu, |buffer| buffer.rows == Rows::Batch).await?;
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
        byte_size(self.describe(id), self.capacity)
    }

    /// Bytes that all buffers would take with room for batches of up to `rows` samples.
    pub(super) fn bytes(&self, rows: usize) -> u64 {
        let allocated = self.program.buffers().filter(|(id, _)| self.buffers[id.index()].is_some());
        allocated.map(|(_, buffer)| byte_size(buffer, rows)).fold(0, u64::saturating_add)
    }
    async fn allocate(&mut self, gpu: &Gpu, which: impl Fn(&Buffer) -> bool) -> Result<()> {
        let used = used(&self.program, &dispatches(&self.program, gpu)?);
        let wanted = |id: BufferId, buffer: &Buffer| {
            buffer.placement == Placement::Own && used[id.index()] && which(buffer)
        };
        let make = |(id, buffer): (BufferId, &Buffer)| {
            let label = format!("minibatch.{}", buffer.name);
            let descriptor = wgpu::BufferDescriptor {
                label: Some(&label),
                size: byte_size(buffer, self.capacity),
                usage: BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST,
                mapped_at_creation: false,
            };
            (id, gpu.device.create_buffer(&descriptor))
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

/// The most rows, up to `rows`, of a batch whose buffers are each within the device's limits and, all
/// together with the memory for uploads, within [`Gpu::memory_budget`]; at least 1. A pure function of
/// program, limits and budget.
///
/// # Errors
/// [`Error::Argument`] if a size does not fit the kernels' 32-bit counts.
pub(super) fn most_rows(gpu: &Gpu, program: &Arc<Program>, rows: usize) -> Result<usize> {
    let dispatches = dispatches(program, gpu)?;
    let used = used(program, &dispatches);
    // Parameters are there whatever the batch.
    let of_batch = |(id, buffer): &(BufferId, &Buffer)| {
        buffer.rows == Rows::Batch && buffer.placement == Placement::Own && used[id.index()]
    };
    let fits = |rows: usize| {
        let buffers = program.buffers().filter(of_batch);
        let bytes: u64 = buffers.map(|(_, buffer)| byte_size(buffer, rows)).sum();
        let bytes = bytes.saturating_add(upload::bytes(program, rows));
        bytes <= gpu.memory_budget() && check_sizes(gpu, program, &dispatches, rows).is_ok()
    };
    if fits(rows) {
        return Ok(rows);
    }
    // Every size grows with the rows: those from `beyond` on do not fit.
    let (mut fitting, mut beyond) = (1, rows.max(2));
    while beyond - fitting > 1 {
        let middle = fitting + (beyond - fitting) / 2;
        if fits(middle) {
            fitting = middle;
        } else {
            beyond = middle;
        }
    }
    Ok(fitting)
}

/// Whether batches of `rows` samples are within the device's limits.
fn check_sizes(
    gpu: &Gpu,
    program: &Arc<Program>,
    dispatches: &[Dispatch],
    rows: usize,
) -> Result<()> {
    let limits = gpu.limits();
    let most = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
    let most_terms = gpu.most_terms();
    // What no dispatch binds has no memory.
    let used = used(program, dispatches);
    for (_, buffer) in program.buffers().filter(|(id, _)| used[id.index()]) {
        let summed = matches!(buffer.role, Role::Activation | Role::Input);
        if summed && rows.max(buffer.columns) > most_terms {
            let argument = if rows > most_terms { "batch_size" } else { "units" };
            return Err(Error::argument(
                argument,
                format!(
                    "{} would be [{rows}, {}]; the kernels for this adapter add up at most \
                     {most_terms} terms",
                    buffer.name, buffer.columns
                ),
            ));
        }
        let bytes = byte_size(buffer, rows);
        if bytes > most {
            let argument = if buffer.rows == Rows::Batch { "batch_size" } else { "units" };
            return Err(Error::argument(
                argument,
                format!(
                    "{} would take {bytes} bytes with {rows} samples a batch; this device \
                     binds at most {most}",
                    buffer.name
                ),
            ));
        }
    }
    let slot = upload::slot_bytes(program, rows);
    if slot > limits.max_buffer_size {
        let most = limits.max_buffer_size;
        let problem = format!(
            "of {rows} samples would be uploaded in {slot} bytes; this device has buffers of at \
             most {most}"
        );
        return Err(Error::argument("batch_size", problem));
    }
    let most_groups = limits.max_compute_workgroups_per_dimension;
    for dispatch in dispatches {
        let of_rows = u64::from(dispatch.terms_a_row).saturating_mul(rows as u64);
        if of_rows.saturating_add(dispatch.terms.into()) > most_terms as u64 && of_rows > 0 {
            let name = dispatch.kernel.name;
            let most = (most_terms as u64).saturating_sub(dispatch.terms.into())
                / u64::from(dispatch.terms_a_row);
            let problem = format!(
                "is {rows}; {name} takes at most {most} rows of so many values on this adapter"
            );
            return Err(Error::argument("batch_size", problem));
        }
        if dispatch.terms as usize > most_terms {
            let problem = format!(
                "{} adds up {} terms; the kernel for this adapter adds up at most {most_terms}",
                dispatch.kernel.name, dispatch.terms,
            );
            return Err(Error::argument("units", problem));
        }
        let groups = dispatch.grid.workgroups(size(rows)?);
        if groups.iter().any(|&count| count > most_groups) {
            let name = dispatch.kernel.name;
            return Err(Error::argument(
                "batch_size",
                format!(
                    "{name} would take {groups:?} workgroups with {rows} samples a batch; \
                     this device dispatches at most {most_groups} a dimension"
                ),
            ));
        }
    }
    Ok(())
}

/// Which buffers some dispatch binds, or the host fills or reads; by `BufferId::index`.
fn used(program: &Program, dispatches: &[Dispatch]) -> Vec<bool> {
    let mut used: Vec<bool> =
        program.buffers().map(|(_, buffer)| buffer.role != Role::Activation).collect();
    for id in dispatches.iter().flat_map(|dispatch| &dispatch.buffers) {
        used[id.index()] = true;
    }
    used
}

/// Those of all passes.
fn dispatches(program: &Program, gpu: &Gpu) -> Result<Vec<Dispatch>> {
    let mut all = Vec::new();
    for pass in Pass::ALL {
        all.extend(plan(program, program.ops(pass), gpu.kernel_class())?);
    }
    Ok(all)
}

/// Bytes of one element.
pub(super) fn element_size(element: Element) -> usize {
    match element {
        Element::Real | Element::U32 | Element::Sparse { .. } => 4,
        Element::U8 => 1,
    }
}

/// Bytes that `buffer` takes with room for `rows` samples, at least four.
pub(super) fn byte_size(buffer: &Buffer, rows: usize) -> u64 {
    (buffer.allocated(rows) as u64).saturating_mul(element_size(buffer.element) as u64).max(4)
}
