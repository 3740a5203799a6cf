//! Runs a [`Program`] on a device: everything is allocated once, and a step is one encoder with
//! one compute pass.

use std::collections::HashMap;
use std::sync::Arc;

use wgpu::{BufferUsages, CommandEncoder, CommandEncoderDescriptor};

use super::device::Gpu;
use super::kernel::Kernel;
use super::plan::{Dispatch, plan, size};
use super::readback::Readback;
use super::staging::{Ring, Slot};
use crate::data::Batch;
use crate::error::{Error, Result};
use crate::program::{
    Buffer, BufferId, Element, Metrics, Pass, Placement, Program, Role, Rows, Step,
};

/// Bytes of the step's uniform: `shared/step.wgsl`.
const STEP_BYTES: u64 = 16;

/// A dispatch with its pipeline and buffers bound.
struct Bound {
    dispatch: Dispatch,
    pipeline: wgpu::ComputePipeline,
    bindings: wgpu::BindGroup,
}

/// Runs a program on a [`Gpu`].
pub struct GpuExecutor {
    gpu: Gpu,
    program: Arc<Program>,
    batch_capacity: usize,
    // By `BufferId::index`; `None` for slices and for what no dispatch uses.
    buffers: Vec<Option<wgpu::Buffer>>,
    step: wgpu::Buffer,
    passes: HashMap<Pass, Vec<Bound>>,
    ring: Option<Ring>,
    readback: Readback,
    submits: u64,
}

impl std::fmt::Debug for GpuExecutor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GpuExecutor")
            .field("gpu", &self.gpu)
            .field("batch_capacity", &self.batch_capacity)
            .finish_non_exhaustive()
    }
}

impl GpuExecutor {
    /// Allocates what does not depend on the batch; all zeros.
    ///
    /// # Errors
    /// [`Error::Argument`] if a buffer is beyond the device's limits, [`Error::Device`] if it
    /// cannot be made.
    pub async fn new(gpu: &Gpu, program: Arc<Program>) -> Result<Self> {
        let step = gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("minibatch.step"),
            size: STEP_BYTES,
            usage: BufferUsages::UNIFORM | BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut executor = GpuExecutor {
            gpu: gpu.clone(),
            buffers: vec![None; program.buffers().count()],
            program: Arc::clone(&program),
            batch_capacity: 0,
            step,
            passes: HashMap::new(),
            ring: None,
            readback: Readback::default(),
            submits: 0,
        };
        let fixed = |buffer: &Buffer| buffer.rows != Rows::Batch;
        executor.check_sizes(0)?;
        executor.allocate(0, fixed).await?;
        Ok(executor)
    }

    /// The device it runs on.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// Makes room for batches of up to `rows` samples.
    ///
    /// # Errors
    /// [`Error::Argument`] if a buffer would be beyond the device's limits, with the numbers;
    /// [`Error::Device`] if it cannot be made. What there was before stays usable.
    pub async fn reserve(&mut self, rows: usize) -> Result<()> {
        if rows <= self.batch_capacity {
            return Ok(());
        }
        self.check_sizes(rows)?;
        self.allocate(rows, |buffer| buffer.rows == Rows::Batch).await?;
        self.batch_capacity = rows;
        self.passes.clear();
        let gpu = self.gpu.clone();
        let slot = self.slot_layout().size;
        self.ring = Some(gpu.scoped(|| Ok(Ring::new(&gpu, slot))).await?);
        Ok(())
    }

    fn check_sizes(&self, rows: usize) -> Result<()> {
        let limits = self.gpu.limits();
        let most = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        let most_terms = self.gpu.kernel_class().most_terms();
        for (_, buffer) in self.program.buffers() {
            if buffer.role == Role::Activation && rows.max(buffer.columns) > most_terms {
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
        Ok(())
    }

    async fn allocate(&mut self, rows: usize, which: impl Fn(&Buffer) -> bool) -> Result<()> {
        let gpu = self.gpu.clone();
        let used = self.used()?;
        let made = gpu
            .scoped(|| {
                let wanted = self.program.buffers().filter(|(id, buffer)| {
                    buffer.placement == Placement::Own && used[id.index()] && which(buffer)
                });
                Ok(wanted
                    .map(|(id, buffer)| {
                        let label = format!("minibatch.{}", buffer.name);
                        let descriptor = wgpu::BufferDescriptor {
                            label: Some(&label),
                            size: byte_size(buffer, rows),
                            usage: BufferUsages::STORAGE
                                | BufferUsages::COPY_SRC
                                | BufferUsages::COPY_DST,
                            mapped_at_creation: false,
                        };
                        (id, gpu.device.create_buffer(&descriptor))
                    })
                    .collect::<Vec<_>>())
            })
            .await?;
        for (id, buffer) in made {
            self.buffers[id.index()] = Some(buffer);
        }
        Ok(())
    }

    /// Which buffers some dispatch binds, or the host fills or reads.
    fn used(&self) -> Result<Vec<bool>> {
        let mut used: Vec<bool> =
            self.program.buffers().map(|(_, buffer)| buffer.role != Role::Activation).collect();
        for pass in [Pass::Train, Pass::Evaluate, Pass::Predict] {
            for dispatch in plan(&self.program, self.program.ops(pass), self.gpu.kernel_class())? {
                for id in dispatch.buffers {
                    used[id.index()] = true;
                }
            }
        }
        Ok(used)
    }

    /// Compiles and binds the dispatches of `pass`.
    ///
    /// # Errors
    /// [`Error::Device`] if the device refuses a kernel.
    pub async fn prepare(&mut self, pass: Pass) -> Result<()> {
        if self.passes.contains_key(&pass) {
            return Ok(());
        }
        let dispatches = plan(&self.program, self.program.ops(pass), self.gpu.kernel_class())?;
        let gpu = self.gpu.clone();
        let mut bound = Vec::with_capacity(dispatches.len());
        for dispatch in dispatches {
            let pipeline = gpu.pipeline(dispatch.kernel).await?;
            let bindings = gpu.scoped(|| self.bind(&dispatch, &pipeline)).await?;
            bound.push(Bound { dispatch, pipeline, bindings });
        }
        self.passes.insert(pass, bound);
        Ok(())
    }

    fn bind(
        &self,
        dispatch: &Dispatch,
        pipeline: &wgpu::ComputePipeline,
    ) -> Result<wgpu::BindGroup> {
        let constants = self.gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("minibatch.constants"),
            size: std::mem::size_of_val(&dispatch.constants) as u64,
            usage: BufferUsages::UNIFORM,
            mapped_at_creation: true,
        });
        constants
            .get_mapped_range_mut(..)
            .map_err(|error| Error::Device(error.to_string()))?
            .slice(..)
            .copy_from_slice(bytemuck::cast_slice(&dispatch.constants));
        constants.unmap();
        let mut resources = vec![self.step.as_entire_binding(), constants.as_entire_binding()];
        for &id in &dispatch.buffers {
            resources.push(self.binding(id)?);
        }
        let entries: Vec<_> = (0u32..)
            .zip(resources)
            .map(|(binding, resource)| wgpu::BindGroupEntry { binding, resource })
            .collect();
        Ok(self.gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(dispatch.kernel.name()),
            layout: &pipeline.get_bind_group_layout(0),
            entries: &entries,
        }))
    }

    fn binding(&self, id: BufferId) -> Result<wgpu::BindingResource<'_>> {
        let (buffer, offset) = self.locate(id)?;
        Ok(wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer,
            offset,
            size: wgpu::BufferSize::new(byte_size(self.program.buffer(id), self.batch_capacity)),
        }))
    }

    /// The allocation that holds `id`, and the byte at which it begins.
    fn locate(&self, id: BufferId) -> Result<(&wgpu::Buffer, u64)> {
        let (owner, offset) = match self.program.buffer(id).placement {
            Placement::Own => (id, 0),
            Placement::Slice { arena, offset } => (arena, offset as u64 * 4),
        };
        let buffer = self.buffers[owner.index()].as_ref().ok_or_else(|| {
            Error::argument(
                "buffer",
                format!("{} has no memory on the GPU", self.program.buffer(id).name),
            )
        })?;
        Ok((buffer, offset))
    }

    /// Uploads `batch`, runs `pass` on it and submits, without waiting for the result. Waits only
    /// if every upload slot is in flight.
    ///
    /// # Errors
    /// [`Error::Device`] if the device is lost or out of memory, [`Error::Argument`] and
    /// [`Error::Shape`] for a batch that does not fit.
    pub async fn run(&mut self, pass: Pass, batch: Batch<'_>, step: &Step) -> Result<()> {
        self.reserve(batch.len()).await?;
        self.prepare(pass).await?;
        self.check_batch(batch)?;
        let layout = self.slot_layout();
        let mut encoder = self.encoder("minibatch.step");
        let Some(ring) = &mut self.ring else { return Ok(()) };
        let slot = ring.next(&self.gpu).await?;
        layout.fill(slot, &self.program, batch, step)?;
        record_upload(&mut encoder, slot, &layout, batch.len(), &self.buffers, &self.step);
        slot.return_after(&encoder);
        record_pass(&mut encoder, self.passes.get(&pass), batch.len())?;
        let submission = self.gpu.queue.submit([encoder.finish()]);
        slot.submitted(submission);
        self.submits += 1;
        self.gpu.check()
    }

    /// Records one step into the caller's `encoder`: the upload of `batch`, then `pass` as one
    /// compute pass. Never submits and never waits. The caller submits its encoder on the same
    /// queue and keeps polling the device, as any wgpu application does.
    ///
    /// [`reserve`](Self::reserve) and [`prepare`](Self::prepare) must have been called for this
    /// batch size and pass, so that nothing is allocated here.
    ///
    /// # Errors
    /// [`Error::Busy`] if no upload slot is free, [`Error::Argument`] if the batch is larger than
    /// reserved or the pass is not prepared. Nothing is recorded then.
    pub fn record(
        &mut self,
        encoder: &mut CommandEncoder,
        pass: Pass,
        batch: Batch<'_>,
        step: &Step,
    ) -> Result<()> {
        self.check_batch(batch)?;
        if batch.len() > self.batch_capacity || !self.passes.contains_key(&pass) {
            return Err(Error::argument(
                "batch",
                format!(
                    "of {} samples for {pass:?}; call prepare first (room for {} samples now)",
                    batch.len(),
                    self.batch_capacity
                ),
            ));
        }
        let layout = self.slot_layout();
        let Some(ring) = &mut self.ring else { return Ok(()) };
        let slot = ring.try_next(&self.gpu)?;
        layout.fill(slot, &self.program, batch, step)?;
        record_upload(encoder, slot, &layout, batch.len(), &self.buffers, &self.step);
        slot.return_after(encoder);
        record_pass(encoder, self.passes.get(&pass), batch.len())
    }

    /// Runs `pass` on what the buffers hold, without uploading a batch, and submits.
    ///
    /// # Errors
    /// [`Error::Argument`] if no room for the step's rows was reserved, [`Error::Device`] if the
    /// device fails.
    pub async fn execute(&mut self, pass: Pass, step: &Step) -> Result<()> {
        if step.live_rows > self.batch_capacity {
            return Err(Error::argument(
                "live_rows",
                format!("{} with room for {}", step.live_rows, self.batch_capacity),
            ));
        }
        self.prepare(pass).await?;
        let scalars = scalars(step)?;
        self.gpu.queue.write_buffer(&self.step, 0, bytemuck::cast_slice(&scalars));
        let mut encoder = self.encoder("minibatch.step");
        record_pass(&mut encoder, self.passes.get(&pass), step.live_rows)?;
        self.gpu.queue.submit([encoder.finish()]);
        self.gpu.check()
    }

    /// False for what no dispatch uses, such as the result of a conversion that is part of the
    /// operation that reads it.
    pub fn is_allocated(&self, id: BufferId) -> bool {
        self.locate(id).is_ok()
    }

    /// The kernels that `pass` dispatches, in order, once it is prepared.
    pub fn kernels(&self, pass: Pass) -> Vec<Kernel> {
        let bound = self.passes.get(&pass).into_iter().flatten();
        bound.map(|bound| bound.dispatch.kernel).collect()
    }

    /// Everything that could be wrong with a batch, before anything is touched.
    fn check_batch(&self, batch: Batch<'_>) -> Result<()> {
        if batch.is_empty() {
            return Err(Error::argument("batch", "holds no sample; give at least one"));
        }
        for (_, input) in self.program.of_role(Role::Input) {
            input.check_input(batch.data)?;
        }
        match batch.indices.iter().find(|&&index| index as usize >= batch.data.len()) {
            Some(index) => batch.data.sample(*index as usize).map(|_| ()),
            None => Ok(()),
        }
    }

    fn encoder(&self, label: &str) -> CommandEncoder {
        self.gpu.device.create_command_encoder(&CommandEncoderDescriptor { label: Some(label) })
    }

    fn slot_layout(&self) -> SlotLayout {
        let mut end = STEP_BYTES;
        let mut regions = Vec::new();
        let uploaded =
            [Role::Target, Role::Input].into_iter().flat_map(|r| self.program.of_role(r));
        for (id, buffer) in uploaded {
            let start = end.next_multiple_of(wgpu::MAP_ALIGNMENT);
            end = start + byte_size(buffer, self.batch_capacity);
            regions.push(Region { id, start, row_bytes: byte_size(buffer, 1) });
        }
        SlotLayout { regions, size: end.next_multiple_of(wgpu::COPY_BUFFER_ALIGNMENT) }
    }

    /// Dispatches that one step of `pass` records, once it is prepared.
    pub fn dispatches(&self, pass: Pass) -> usize {
        self.passes.get(&pass).map_or(0, Vec::len)
    }

    /// Submissions made so far by [`run`](Self::run).
    pub fn submits(&self) -> u64 {
        self.submits
    }

    /// Waits until all that was submitted is done.
    ///
    /// # Errors
    /// [`Error::Device`] if the device is lost.
    pub async fn finish(&mut self) -> Result<()> {
        // A small read is a wait that works on the web as well.
        match self.program.find(Program::COUNTS) {
            Some(id) if self.batch_capacity > 0 => self.read_bytes(&[(id, 4)]).await.map(|_| ()),
            _ => Ok(()),
        }
    }

    /// The values of `id`, `[rows, columns]` without padding; `live_rows` rows of a batch. Waits.
    ///
    /// # Errors
    /// [`Error::Device`] if the device is lost, [`Error::Argument`] if the buffer is unused here.
    pub async fn read(&mut self, id: BufferId, live_rows: usize) -> Result<Vec<f64>> {
        let raw = self.read_raw(id, live_rows).await?;
        let buffer = self.program.buffer(id);
        let values: Vec<f64> = match buffer.element {
            Element::Real => words(&raw).map(|word| f64::from(f32::from_bits(word))).collect(),
            Element::U32 => words(&raw).map(f64::from).collect(),
            Element::U8 => raw.iter().map(|&byte| f64::from(byte)).collect(),
        };
        let rows = values.chunks(buffer.stride()).take(buffer.live_rows(live_rows));
        Ok(rows.flat_map(|row| &row[..buffer.columns]).copied().collect())
    }

    /// The bytes of `id` as they lie on the device, padding included; room for `rows` rows of a
    /// batch, at most the capacity.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn read_raw(&mut self, id: BufferId, rows: usize) -> Result<Vec<u8>> {
        let bytes = byte_size(self.program.buffer(id), rows.min(self.batch_capacity));
        self.read_bytes(&[(id, bytes)]).await
    }

    async fn read_bytes(&mut self, regions: &[(BufferId, u64)]) -> Result<Vec<u8>> {
        let encoder = self.encoder("minibatch.read");
        let mut sources = Vec::with_capacity(regions.len());
        for &(id, bytes) in regions {
            let (buffer, offset) = self.locate(id)?;
            sources.push((buffer.clone(), offset, bytes));
        }
        let gpu = self.gpu.clone();
        self.readback.read(&gpu, encoder, &sources).await
    }

    /// Sets the values of `id`, `[rows, columns]` without padding.
    ///
    /// # Errors
    /// [`Error::Shape`] if the number of values does not fit.
    pub async fn write(&mut self, id: BufferId, values: &[f64]) -> Result<()> {
        let rows = self.program.buffer(id).check_values(values.len())?;
        if self.program.buffer(id).rows == Rows::Batch {
            self.reserve(rows).await?;
        }
        let buffer = self.program.buffer(id);
        let row_bytes = buffer.stride() * element_size(buffer.element);
        let mut bytes = vec![0u8; byte_size(buffer, rows) as usize];
        let rows = bytes.chunks_exact_mut(row_bytes).zip(values.chunks_exact(buffer.columns));
        for (to, from) in rows {
            for (to, &value) in to.chunks_exact_mut(element_size(buffer.element)).zip(from) {
                match buffer.element {
                    Element::Real => to.copy_from_slice(&(value as f32).to_ne_bytes()),
                    Element::U32 => to.copy_from_slice(&(value as u32).to_ne_bytes()),
                    Element::U8 => to.copy_from_slice(&[value as u8]),
                }
            }
        }
        self.write_raw(id, &bytes)
    }

    /// Overwrites the first bytes of `id` as they lie on the device; a multiple of four.
    ///
    /// # Errors
    /// [`Error::Argument`] if they do not fit.
    pub fn write_raw(&mut self, id: BufferId, bytes: &[u8]) -> Result<()> {
        let room = byte_size(self.program.buffer(id), self.batch_capacity);
        if bytes.len() as u64 > room || bytes.len() % 4 != 0 {
            return Err(Error::argument(
                "bytes",
                format!("{} bytes for a buffer of {room}; give a multiple of 4", bytes.len()),
            ));
        }
        let (buffer, offset) = self.locate(id)?;
        // Its order against steps is that of the calls: each step is submitted by its own.
        self.gpu.queue.write_buffer(buffer, offset, bytes);
        Ok(())
    }

    /// What the steps since the last [`clear_metrics`](Self::clear_metrics) have added up to.
    /// Waits for them.
    ///
    /// # Errors
    /// [`Error::Device`] if the device is lost.
    pub async fn read_metrics(&mut self) -> Result<Metrics> {
        let ids = (self.program.find(Program::LOSS), self.program.find(Program::COUNTS));
        let ((Some(loss), Some(counts)), true) = (ids, self.batch_capacity > 0) else {
            return Ok(Metrics::default());
        };
        let size = |id| byte_size(self.program.buffer(id), self.batch_capacity);
        let regions = [(loss, size(loss)), (counts, size(counts))];
        let bytes = self.read_bytes(&regions).await?;
        let (loss, counts) = bytes.split_at(regions[0].1 as usize);
        let counts: Vec<u32> = words(counts).collect();
        Ok(Metrics::sum(words(loss).map(|word| f64::from(f32::from_bits(word))), &counts))
    }

    /// Sets loss and counts to 0, after the steps submitted before.
    pub fn clear_metrics(&mut self) {
        let mut encoder = self.encoder("minibatch.clear");
        for (id, _) in self.program.of_role(Role::Metric) {
            if let Some(buffer) = &self.buffers[id.index()] {
                encoder.clear_buffer(buffer, 0, None);
            }
        }
        self.gpu.queue.submit([encoder.finish()]);
    }
}

/// Where an upload slot holds what.
struct SlotLayout {
    regions: Vec<Region>,
    size: u64,
}

struct Region {
    id: BufferId,
    start: u64,
    row_bytes: u64,
}

impl SlotLayout {
    /// Writes the step's scalars and the batch into a mapped slot and unmaps it.
    fn fill(&self, slot: &Slot, program: &Program, batch: Batch<'_>, step: &Step) -> Result<()> {
        let scalars = scalars(step)?;
        {
            let mut view = slot
                .buffer
                .get_mapped_range_mut(..)
                .map_err(|error| Error::Device(error.to_string()))?;
            view.slice(..STEP_BYTES as usize).copy_from_slice(bytemuck::cast_slice(&scalars));
            for region in &self.regions {
                let buffer = program.buffer(region.id);
                let row_bytes = region.row_bytes as usize;
                let used = buffer.columns * element_size(buffer.element);
                let starts = (region.start as usize..).step_by(row_bytes);
                for (start, sample) in starts.zip(batch.samples()) {
                    let (values, label) = sample?;
                    let mut row = view.slice(start..start + row_bytes);
                    if buffer.role == Role::Target {
                        row.copy_from_slice(&label.to_ne_bytes());
                    } else {
                        row.slice(..used).copy_from_slice(values);
                        row.slice(used..).fill(0);
                    }
                }
            }
        }
        slot.buffer.unmap();
        Ok(())
    }
}

/// The content of the step's uniform.
fn scalars(step: &Step) -> Result<[u32; 4]> {
    Ok([
        size(step.live_rows)?,
        // It is only compared with 0 and reported, so it may wrap around.
        step.number as u32,
        ((step.learning_rate * step.bias_correction) as f32).to_bits(),
        ((1.0 / step.live_rows.max(1) as f64) as f32).to_bits(),
    ])
}

/// Copies what a filled slot holds to the buffers of the program.
fn record_upload(
    encoder: &mut CommandEncoder,
    slot: &Slot,
    layout: &SlotLayout,
    rows: usize,
    buffers: &[Option<wgpu::Buffer>],
    step: &wgpu::Buffer,
) {
    encoder.copy_buffer_to_buffer(&slot.buffer, 0, step, 0, STEP_BYTES);
    for region in &layout.regions {
        if let Some(buffer) = &buffers[region.id.index()] {
            let bytes = region.row_bytes * rows as u64;
            encoder.copy_buffer_to_buffer(&slot.buffer, region.start, buffer, 0, bytes);
        }
    }
}

fn record_pass(
    encoder: &mut CommandEncoder,
    bound: Option<&Vec<Bound>>,
    rows: usize,
) -> Result<()> {
    let rows = size(rows)?;
    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
        label: Some("minibatch.step"),
        timestamp_writes: None,
    });
    for Bound { dispatch, pipeline, bindings } in bound.into_iter().flatten() {
        let [x, y, z] = dispatch.workgroups(rows);
        pass.set_pipeline(pipeline);
        pass.set_bind_group(0, bindings, &[]);
        pass.dispatch_workgroups(x, y, z);
    }
    Ok(())
}

fn element_size(element: Element) -> usize {
    match element {
        Element::Real | Element::U32 => 4,
        Element::U8 => 1,
    }
}

/// Bytes that `buffer` takes with room for `rows` samples, at least four.
fn byte_size(buffer: &Buffer, rows: usize) -> u64 {
    (buffer.allocated(rows) as u64 * element_size(buffer.element) as u64).max(4)
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.chunks_exact(4).map(bytemuck::pod_read_unaligned)
}
