//! How a batch and the step's scalars get to the device: written into a slot of the ring, and
//! copied from there by the step's own encoder.

use wgpu::{BufferUsages, CommandEncoder};

use super::device::Gpu;
use super::staging::{Ring, Slot};
use super::table::{Table, byte_size, element_size};
use crate::data::Batch;
use crate::error::{Error, Result};
use crate::operation::kernel::size;
use crate::program::{BufferId, Pass, Program, Role, Step};

/// Bytes of the step's uniform: `shared/step.wgsl`.
const STEP_BYTES: u64 = 32;

/// The ring of slots, what lies where in each of them, and the uniform of the step's scalars.
pub(super) struct Upload {
    ring: Ring,
    regions: Vec<Region>,
    step: wgpu::Buffer,
}

/// A buffer's place in a slot.
struct Region {
    id: BufferId,
    /// Which of the data's inputs or targets fills it.
    column: usize,
    start: u64,
    row_bytes: u64,
}

impl Upload {
    /// Slots for batches of up to `capacity` samples.
    ///
    /// # Errors
    /// [`Error::Device`] if they cannot be made.
    pub async fn new(gpu: &Gpu, program: &Program, capacity: usize) -> Result<Self> {
        let mut end = STEP_BYTES;
        let mut regions = Vec::new();
        for role in [Role::SampleWeight, Role::Target, Role::Input] {
            for (column, (id, buffer)) in program.of_role(role).enumerate() {
                let start = end.next_multiple_of(wgpu::MAP_ALIGNMENT);
                end = start + byte_size(buffer, capacity);
                regions.push(Region { id, column, start, row_bytes: byte_size(buffer, 1) });
            }
        }
        gpu.scoped(|| {
            let ring = Ring::new(gpu, end.next_multiple_of(wgpu::COPY_BUFFER_ALIGNMENT));
            let step = gpu.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("minibatch.step"),
                size: STEP_BYTES,
                usage: BufferUsages::UNIFORM | BufferUsages::COPY_DST,
                mapped_at_creation: false,
            });
            Ok(Upload { ring, regions, step })
        })
        .await
    }

    /// The uniform that kernels read the step's scalars from.
    pub fn step(&self) -> &wgpu::Buffer {
        &self.step
    }

    /// Sets the step's scalars for what is submitted next, without a batch.
    ///
    /// # Errors
    /// [`Error::Argument`] if there are more live rows than kernels can count.
    pub fn write_step(&self, gpu: &Gpu, step: &Step) -> Result<()> {
        gpu.queue.write_buffer(&self.step, 0, bytemuck::cast_slice(&scalars(step)?));
        Ok(())
    }

    /// Waits until the next slot is free.
    ///
    /// # Errors
    /// [`Error::Device`] if the device fails.
    pub async fn ready(&mut self, gpu: &Gpu) -> Result<()> {
        self.ring.ready(gpu).await
    }

    /// Writes the step's scalars and the batch into the next slot, and records the copies from
    /// there into `table`, which has room for the batch.
    ///
    /// # Errors
    /// [`Error::Busy`] if the slot is in flight; nothing is recorded then.
    pub fn record(
        &mut self,
        gpu: &Gpu,
        table: &Table,
        encoder: &mut CommandEncoder,
        pass: Pass,
        batch: Batch<'_>,
        step: &Step,
    ) -> Result<&mut Slot> {
        let scalars = scalars(step)?;
        let slot = self.ring.next(gpu)?;
        // Predictions look at no target.
        let wanted = |region: &&Region| {
            pass != Pass::Predict || table.describe(region.id).role == Role::Input
        };
        fill(slot, self.regions.iter().filter(wanted), table, batch, &scalars)?;
        encoder.copy_buffer_to_buffer(&slot.buffer, 0, &self.step, 0, STEP_BYTES);
        for region in self.regions.iter().filter(wanted) {
            let (buffer, offset) = table.locate(region.id)?;
            let bytes = region.row_bytes * batch.len() as u64;
            encoder.copy_buffer_to_buffer(&slot.buffer, region.start, buffer, offset, bytes);
        }
        slot.return_after(encoder);
        Ok(slot)
    }
}

/// Writes into a mapped slot and unmaps it.
fn fill<'a>(
    slot: &Slot,
    regions: impl Iterator<Item = &'a Region>,
    table: &Table,
    batch: Batch<'_>,
    scalars: &[u32; 8],
) -> Result<()> {
    {
        let mut view = slot
            .buffer
            .get_mapped_range_mut(..)
            .map_err(|error| Error::Device(error.to_string()))?;
        view.slice(..STEP_BYTES as usize).copy_from_slice(bytemuck::cast_slice(scalars));
        for region in regions {
            let buffer = table.describe(region.id);
            let row_bytes = region.row_bytes as usize;
            let used = buffer.columns * element_size(buffer.element);
            let starts = (region.start as usize..).step_by(row_bytes);
            for (start, sample) in starts.zip(batch.samples()) {
                let sample = sample?;
                let weight;
                let values: &[u8] = match buffer.role {
                    Role::SampleWeight => {
                        weight = sample.weight(region.column).to_ne_bytes();
                        &weight
                    }
                    Role::Target => sample.target(region.column),
                    _ => sample.input(region.column),
                };
                let mut row = view.slice(start..start + row_bytes);
                row.slice(..used).copy_from_slice(values);
                row.slice(used..).fill(0);
            }
        }
    }
    slot.buffer.unmap();
    Ok(())
}

/// The content of the step's uniform.
fn scalars(step: &Step) -> Result<[u32; 8]> {
    let bits = |value: f64| (value as f32).to_bits();
    Ok([
        size(step.live_rows)?,
        // It is only compared with 0 and reported, so it may wrap around.
        step.number as u32,
        bits(step.step_size),
        bits(1.0 / step.live_rows.max(1) as f64),
        bits(step.root_scale),
        bits(step.decay),
        step.noise as u32,
        (step.noise >> 32) as u32,
    ])
}
