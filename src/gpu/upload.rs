//! How a batch and the step's scalars get to the device: written into a slot of the ring, and
//! copied from there by the step's own encoder.

use wgpu::{BufferUsages, CommandEncoder};

use super::device::Gpu;
use super::plan::size;
use super::staging::{RecordedStep, Ring, Slot};
use super::table::{Table, byte_size, element_size};
use crate::data::Batch;
use crate::error::Result;
use crate::program::{BufferId, Pass, Program, Role, Step};

/// Bytes of the step's uniform: `shared/step.wgsl`.
const STEP_BYTES: u64 = 32;

/// The same and the step's serial, by which the host learns that the device has run the step.
const HEADER_BYTES: u64 = STEP_BYTES + 4;

/// From one step's uniform to the next: the largest alignment of a dynamic offset that a device
/// may ask for.
const STEP_STRIDE: u32 = 256;

/// The ring of slots, what lies where in each of them, and the uniforms of the steps' scalars.
pub(super) struct Upload {
    ring: Ring,
    regions: Vec<Region>,
    /// One for each slot, and one for steps without a batch.
    steps: wgpu::Buffer,
    serial: u32,
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
    /// [`Error::Device`](crate::Error::Device) if they cannot be made.
    pub async fn new(gpu: &Gpu, program: &Program, capacity: usize) -> Result<Self> {
        let mut end = HEADER_BYTES;
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
            let steps = gpu.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("minibatch.step"),
                size: (ring.len() as u64 + 1) * u64::from(STEP_STRIDE),
                usage: BufferUsages::UNIFORM | BufferUsages::COPY_DST | BufferUsages::COPY_SRC,
                mapped_at_creation: false,
            });
            Ok(Upload { ring, regions, steps, serial: 0 })
        })
        .await
    }

    /// The uniform that kernels read a step's scalars from, with a dynamic offset.
    pub fn binding(&self) -> wgpu::BindingResource<'_> {
        wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer: &self.steps,
            offset: 0,
            size: wgpu::BufferSize::new(STEP_BYTES),
        })
    }

    /// Where the device writes down which steps it has run.
    pub fn ledger(&self) -> (wgpu::Buffer, u64, u64) {
        (self.steps.clone(), 0, self.ring.len() as u64 * u64::from(STEP_STRIDE))
    }

    /// Counts what the bytes of the [`ledger`](Self::ledger) say.
    pub fn settle(&mut self, ledger: &[u8]) {
        let serial = STEP_BYTES as usize..HEADER_BYTES as usize;
        let entries =
            ledger.chunks(STEP_STRIDE as usize).filter_map(|entry| entry.get(serial.clone()));
        self.ring.settle(entries.map(bytemuck::pod_read_unaligned));
    }

    /// The ring of slots.
    pub fn ring(&mut self) -> &mut Ring {
        &mut self.ring
    }

    /// The same, to look at.
    pub fn slots(&self) -> &Ring {
        &self.ring
    }

    /// Goes on from an upload that this one replaces, as [`Ring::replace`].
    pub fn replace(&mut self, old: Upload) {
        self.serial = old.serial;
        self.ring.replace(old.ring);
    }

    /// Sets the step's scalars for what is submitted next, without a batch; the dynamic offset of
    /// its uniform.
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) if there are more live rows than kernels can count.
    pub fn write_step(&self, gpu: &Gpu, step: &Step) -> Result<u32> {
        let offset = self.ring.len() as u32 * STEP_STRIDE;
        let scalars = scalars(step)?;
        gpu.queue.write_buffer(&self.steps, offset.into(), bytemuck::cast_slice(&scalars));
        Ok(offset)
    }

    /// Waits until the next slot is free.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) if the device fails.
    pub async fn ready(&mut self, gpu: &Gpu) -> Result<()> {
        self.ring.ready(gpu).await
    }

    /// Writes the step's scalars and the batch into the next slot, and records the copies from
    /// there into `table`, which has room for the batch. The slot, and the dynamic offset of the
    /// step's uniform.
    ///
    /// # Errors
    /// [`Error::Busy`](crate::Error::Busy) if the slot is in flight; nothing is recorded then.
    pub fn record(
        &mut self,
        gpu: &Gpu,
        table: &Table,
        encoder: &mut CommandEncoder,
        pass: Pass,
        batch: Batch<'_>,
        step: &Step,
    ) -> Result<(u32, &mut Slot)> {
        let scalars = scalars(step)?;
        let (place, slot) = self.ring.next(gpu)?;
        // 0 is what the memory holds before any step has run.
        self.serial = self.serial.checked_add(1).unwrap_or(1);
        // Predictions look at no target.
        let wanted = |region: &&Region| {
            pass != Pass::Predict || table.describe(region.id).role == Role::Input
        };
        let regions = self.regions.iter().filter(wanted);
        fill(gpu, slot, regions, table, batch, &scalars, self.serial)?;
        let offset = place as u32 * STEP_STRIDE;
        encoder.copy_buffer_to_buffer(&slot.buffer, 0, &self.steps, offset.into(), HEADER_BYTES);
        for region in self.regions.iter().filter(wanted) {
            let (buffer, offset) = table.locate(region.id)?;
            let bytes = region.row_bytes * batch.len() as u64;
            encoder.copy_buffer_to_buffer(&slot.buffer, region.start, buffer, offset, bytes);
        }
        slot.return_after(encoder);
        Ok((offset, slot))
    }

    /// [`record`](Self::record) into an encoder that the host submits, or drops.
    ///
    /// # Errors
    /// As `record`.
    pub fn record_for_host(
        &mut self,
        gpu: &Gpu,
        table: &Table,
        encoder: &mut CommandEncoder,
        pass: Pass,
        batch: Batch<'_>,
        step: &Step,
    ) -> Result<u32> {
        let serial = self.serial.checked_add(1).unwrap_or(1);
        let (offset, slot) = self.record(gpu, table, encoder, pass, batch, step)?;
        slot.record(RecordedStep { serial, rows: batch.len(), counts: true });
        Ok(offset)
    }
}

/// Writes into a mapped slot and unmaps it.
fn fill<'a>(
    gpu: &Gpu,
    slot: &Slot,
    regions: impl Iterator<Item = &'a Region>,
    table: &Table,
    batch: Batch<'_>,
    scalars: &[u32; 8],
    serial: u32,
) -> Result<()> {
    {
        let mut view = slot.buffer.get_mapped_range_mut(..).map_err(|error| gpu.failed(error))?;
        view.slice(..STEP_BYTES as usize).copy_from_slice(bytemuck::cast_slice(scalars));
        let at = STEP_BYTES as usize..HEADER_BYTES as usize;
        view.slice(at).copy_from_slice(&serial.to_ne_bytes());
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
