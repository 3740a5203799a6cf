//! Steps whose rows are gathered on the device: only their numbers are uploaded, and what of a row is
//! not there. Several steps go to the device in one submission, which costs the host less than one
//! for each.

use std::sync::Arc;

use wgpu::{BindGroupEntry, BindingResource, BufferUsages, CommandEncoder, ComputePass};

use super::device::Gpu;
use super::feed::row_bytes;
use super::gather_feed::{GatherFeed, Layout, Memory};
use super::pace::{Flight, Kind, Pace};
use super::resident::{Piece, Resident};
use super::slots::Slots;
use super::staging::{Ring, Slot};
use super::table::Table;
use super::upload::{MOST_STEPS, STEP_STRIDE, Upload};
use crate::clock::Instant;
use crate::error::{Error, Result};
use crate::operation::Access;
use crate::operation::kernel::{Grid, Kernel, size, wgsl};
use crate::program::{BufferId, Pass, Program, Step};

/// Bytes that the steps of one submission upload, unless a single one takes more.
const MOST_BYTES: u64 = 1 << 20;

/// The kernel that puts the rows of a step in their places.
#[doc(hidden)]
pub fn gather_kernel() -> Kernel {
    use Access::{Read, Write};
    let text = wgsl!["shared/fold", "feed/gather"];
    Kernel::new("gather", vec![Read, Read, Write, Write, Write], text)
}

/// The uniform of `feed/gather.wgsl`.
#[derive(Debug, Clone, Copy, Default, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
struct Columns {
    gathered: u32,
    first: u32,
    second: u32,
    before_first: u32,
    before_second: u32,
    from_row: u32,
    rows: u32,
    pad: u32,
}

/// One dispatch of the kernel.
struct Placing {
    bindings: wgpu::BindGroup,
    grid: Grid,
}

/// A step that is not recorded yet.
pub(super) struct Pending {
    pub pass: Pass,
    pub step: Step,
    memory: Memory,
}

/// Resident rows that an executor gathers from.
pub(super) struct Gather {
    columns: Vec<(BufferId, Resident)>,
    layout: Arc<Layout>,
    pipeline: wgpu::ComputePipeline,
    placings: Vec<Placing>,
    /// Small buffers that the bind groups of these hold.
    constants: Vec<wgpu::Buffer>,
    /// What the steps of a submission have uploaded, on the device.
    uploads: wgpu::Buffer,
    ring: Ring,
    /// Of each place of the ring the submission that it is on its way with.
    flights: Vec<Option<Flight>>,
    /// Steps for which a submission has memory.
    most_steps: usize,
    /// Steps of the next submission, as its steps are so far.
    together: usize,
    /// Of the last step that was announced for it.
    kind: Option<Kind>,
    pending: Vec<Pending>,
    spare: Vec<Memory>,
}

impl Gather {
    /// For steps of up to the rows that `table` has room for, at most so many in a submission.
    ///
    /// # Errors
    /// [`Error::Argument`] if the columns are none that the host fills, do not fit, or leave more to
    /// be uploaded than the device binds; [`Error::Device`] if there is no memory for it.
    pub(super) async fn new(
        gpu: &Gpu,
        program: &Arc<Program>,
        table: &Table,
        upload: &Upload,
        columns: Vec<(BufferId, Resident)>,
        steps: usize,
    ) -> Result<Self> {
        let layout = Arc::new(Layout::new(Arc::clone(program), &columns)?);
        let step_bytes = (layout.bytes_a_row as u64).saturating_mul(table.capacity() as u64);
        let limits = gpu.limits();
        let most = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        if step_bytes > most {
            let problem = format!(
                "leaves {step_bytes} bytes for each step of {} rows to be uploaded; this device \
                 binds at most {most}: let more columns lie on the device",
                table.capacity()
            );
            return Err(Error::argument("resident", problem));
        }
        let steps = steps.clamp(1, MOST_STEPS) as u64;
        let most_steps = (MOST_BYTES.min(most) / step_bytes).clamp(1, steps);
        let pipeline = gpu.pipeline(&gather_kernel()).await?;
        let (uploads, ring, (placings, constants)) = gpu
            .scoped(|| {
                let uploads = gpu.create_buffer(&wgpu::BufferDescriptor {
                    label: Some(&gpu.label("minibatch.gather.uploads")),
                    size: most_steps * step_bytes,
                    usage: BufferUsages::STORAGE | BufferUsages::COPY_DST,
                    mapped_at_creation: false,
                });
                let headers = most_steps * u64::from(STEP_STRIDE);
                let ring = Ring::new(gpu, headers + most_steps * step_bytes, Slots::new(None));
                let placings =
                    placings(gpu, table, upload, &pipeline, &layout, &columns, &uploads)?;
                Ok((uploads, ring, placings))
            })
            .await?;
        Ok(Gather {
            columns,
            layout,
            pipeline,
            placings,
            constants,
            uploads,
            ring,
            flights: Vec::new(),
            most_steps: most_steps as usize,
            together: 1,
            kind: None,
            pending: Vec::new(),
            spare: Vec::new(),
        })
    }

    /// The resident columns.
    pub(super) fn columns(&self) -> &[(BufferId, Resident)] {
        &self.columns
    }

    /// Bytes of the resident rows.
    pub(super) fn data_bytes(&self) -> u64 {
        self.columns.iter().map(|(_, resident)| resident.bytes()).sum()
    }

    /// Bytes that steps are uploaded through.
    pub(super) fn upload_bytes(&self) -> u64 {
        self.ring.bytes() + self.uploads.size()
    }

    /// Bytes of what its bind groups hold.
    pub(super) fn constant_bytes(&self) -> u64 {
        self.constants.iter().map(wgpu::Buffer::size).sum()
    }

    /// Memory for the numbers of `rows` rows, and for what else a step uploads.
    pub(super) fn feed(&mut self, rows: usize) -> GatherFeed {
        GatherFeed::new(&self.layout, rows, self.spare.pop().unwrap_or_default())
    }

    /// Whether a step of `pass` can read `feed`.
    ///
    /// # Errors
    /// As [`GatherFeed::check`].
    pub(super) fn check(&self, pass: Pass, feed: &GatherFeed, step: &Step) -> Result<()> {
        feed.check(&self.layout, pass, step)
    }

    /// Waits until there is memory for a submission.
    ///
    /// # Errors
    /// [`Error::Device`] if the device fails.
    pub(super) async fn ready(&self, gpu: &Gpu) -> Result<()> {
        self.ring.ready(gpu).await
    }

    /// Whether there is memory for a submission at this moment.
    pub(super) fn is_ready(&self) -> bool {
        self.ring.has_free()
    }

    /// Whether the last step that was announced for the next submission is of this kind.
    pub(super) fn is_announced(&self, kind: Kind) -> bool {
        self.kind == Some(kind)
    }

    /// Announces a step of this kind, of which `pace` says how many go together.
    pub(super) fn announce(&mut self, kind: Kind, pace: &Pace) {
        let like = pace.steps(kind).clamp(1, self.most_steps);
        self.together = if self.pending.is_empty() { like } else { self.together.min(like) };
        self.kind = Some(kind);
    }

    /// Whether the step that was announced makes a whole submission.
    pub(super) fn is_almost_full(&self) -> bool {
        self.pending.len() + 1 >= self.together
    }

    /// Adds a step that was checked and announced; true if it is time to submit.
    pub(super) fn push(&mut self, pass: Pass, feed: GatherFeed, step: &Step) -> bool {
        self.pending.push(Pending { pass, step: *step, memory: feed.memory });
        self.pending.len() >= self.together
    }

    /// Whether there are steps to be submitted.
    pub(super) fn is_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// The steps to be submitted, which are none from now on.
    pub(super) fn take(&mut self) -> Vec<Pending> {
        self.kind = None;
        std::mem::take(&mut self.pending)
    }

    /// Lets steps that were taken and could not be submitted wait again.
    pub(super) fn put_back(&mut self, steps: Vec<Pending>) {
        self.pending = steps;
    }

    /// Takes the last step away again, which was refused.
    pub(super) fn forget_last(&mut self) {
        self.spare.extend(self.pending.pop().map(|pending| pending.memory));
    }

    /// Takes the memory of steps back that were recorded.
    pub(super) fn give_back(&mut self, mut recorded: Vec<Pending>) {
        self.spare.extend(recorded.drain(..).map(|pending| pending.memory));
        if self.pending.is_empty() {
            self.pending = recorded;
        }
    }

    /// Records the upload of what `steps` read; its slot. What the slot was on its way with before is
    /// told to `pace`.
    ///
    /// # Errors
    /// [`Error::Argument`] if a step has more rows than kernels can count, [`Error::Device`] if the
    /// device fails.
    pub(super) fn record_upload(
        &mut self,
        gpu: &Gpu,
        upload: &Upload,
        encoder: &mut CommandEncoder,
        steps: &[Pending],
        pace: &mut Pace,
    ) -> Result<Arc<Slot>> {
        let slot = self.ring.lend_or_add(gpu)?;
        let flight = self.ring.place(&slot).and_then(|place| self.flights.get_mut(place)?.take());
        if let (Some(flight), Some(back)) = (flight, slot.back_at()) {
            pace.measured(flight, back);
        }
        let mut view = match slot.buffer.get_mapped_range_mut(..) {
            Ok(view) => view,
            Err(error) => {
                slot.give_back(true, Vec::new());
                return Err(gpu.failed(error));
            }
        };
        let headers = self.most_steps * STEP_STRIDE as usize;
        let mut end = headers;
        for (number, Pending { step, memory, .. }) in steps.iter().enumerate() {
            let scalars = super::upload::scalars(step, size((end - headers) / 4)?, 0)?;
            let header: &[u8] = bytemuck::cast_slice(&scalars);
            let start = number * STEP_STRIDE as usize;
            view.slice(start..start + header.len()).copy_from_slice(header);
            view.slice(end..end + memory.bytes.len()).copy_from_slice(&memory.bytes);
            end += memory.bytes.len();
        }
        drop(view);
        slot.buffer.unmap();
        let used = steps.len() as u64 * u64::from(STEP_STRIDE);
        upload.copy_headers(encoder, &slot.buffer, used);
        let (from, bytes) = (headers as u64, (end - headers) as u64);
        encoder.copy_buffer_to_buffer(&slot.buffer, from, &self.uploads, 0, bytes);
        slot.return_after(encoder);
        Ok(slot)
    }

    /// Dispatches what puts the rows of a step in their places; how many dispatches that is.
    pub(super) fn dispatch(&self, pass: &mut ComputePass<'_>, rows: u32, offset: u32) -> u64 {
        pass.set_pipeline(&self.pipeline);
        for Placing { bindings, grid } in &self.placings {
            let [x, y, z] = grid.workgroups(rows);
            pass.set_bind_group(0, bindings, &[offset]);
            pass.dispatch_workgroups(x, y, z);
        }
        self.placings.len() as u64
    }

    /// Says that `steps` were submitted, and which submission `slot` comes back with.
    pub(super) fn submitted(
        &mut self,
        slot: &Arc<Slot>,
        submission: wgpu::SubmissionIndex,
        steps: &[Pending],
    ) {
        let rows = steps.iter().map(|pending| pending.step.live_rows).max();
        if let (Some(place), Some(last), Some(rows)) = (self.ring.place(slot), steps.last(), rows) {
            self.ring.submitted(place, submission);
            let kind = Kind { rows, ..Kind::of(last.pass, &last.step) };
            if self.flights.len() <= place {
                self.flights.resize(place + 1, None);
            }
            let flight = Flight { kind, steps: steps.len(), submitted: Instant::now() };
            self.flights[place] = Some(flight);
        }
    }
}

/// The dispatches that put the rows of a step in their places: each takes rows from one buffer on
/// the device, and up to two columns from what was uploaded.
fn placings(
    gpu: &Gpu,
    table: &Table,
    upload: &Upload,
    pipeline: &wgpu::ComputePipeline,
    layout: &Layout,
    columns: &[(BufferId, Resident)],
    uploads: &wgpu::Buffer,
) -> Result<(Vec<Placing>, Vec<wgpu::Buffer>)> {
    let buffer = |label: &str, usage, mapped_at_creation| {
        let size = size_of::<Columns>() as u64;
        gpu.create_buffer(&wgpu::BufferDescriptor {
            label: Some(&gpu.label(label)),
            size,
            usage,
            mapped_at_creation,
        })
    };
    // What a dispatch has nothing for is bound to one of these; no two bindings share a buffer.
    let nothing: [wgpu::Buffer; 4] =
        std::array::from_fn(|_| buffer("minibatch.gather.nothing", BufferUsages::STORAGE, false));
    let [no_resident, no_gathered, no_first, no_second] = &nothing;
    let whole = |buffer: &'_ wgpu::Buffer| buffer.clone();
    let pieces: Vec<(BufferId, &Piece)> = columns
        .iter()
        .flat_map(|(id, resident)| resident.pieces().iter().map(move |piece| (*id, piece)))
        .collect();
    let mut before = 1;
    let mut uploaded = Vec::with_capacity(layout.uploaded.len());
    for column in &layout.uploaded {
        let words = size(column.row_bytes / 4)?;
        uploaded.push((column.id, words, before));
        before += words;
    }
    let pairs: Vec<_> = uploaded.chunks(2).collect();
    let (mut placings, mut small) = (Vec::new(), nothing.to_vec());
    for number in 0..pieces.len().max(pairs.len()) {
        let mut constants = Columns::default();
        let mut resident = whole(no_resident);
        let mut gathered = BindingResource::Buffer(no_gathered.as_entire_buffer_binding());
        if let Some(&(id, piece)) = pieces.get(number) {
            resident = whole(&piece.buffer);
            gathered = table.binding(id)?;
            constants.gathered = size((row_bytes(table.describe(id)) / 4) as usize)?;
            (constants.from_row, constants.rows) = (piece.from_row, piece.rows);
        }
        let pair = pairs.get(number).copied().unwrap_or_default();
        let mut first = BindingResource::Buffer(no_first.as_entire_buffer_binding());
        let mut second = BindingResource::Buffer(no_second.as_entire_buffer_binding());
        if let Some(&(id, words, before)) = pair.first() {
            first = table.binding(id)?;
            (constants.first, constants.before_first) = (words, before);
        }
        if let Some(&(id, words, before)) = pair.get(1) {
            second = table.binding(id)?;
            (constants.second, constants.before_second) = (words, before);
        }
        let uniform = buffer("minibatch.constants", BufferUsages::UNIFORM, true);
        uniform
            .get_mapped_range_mut(..)
            .map_err(|error| gpu.failed(error))?
            .slice(..)
            .copy_from_slice(bytemuck::bytes_of(&constants));
        uniform.unmap();
        let resources = [
            upload.binding(),
            uniform.as_entire_binding(),
            resident.as_entire_binding(),
            uploads.as_entire_binding(),
            gathered,
            first,
            second,
        ];
        let entries: Vec<_> = (0u32..)
            .zip(resources)
            .map(|(binding, resource)| BindGroupEntry { binding, resource })
            .collect();
        let bindings = gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(&gpu.label("minibatch.gather")),
            layout: &pipeline.get_bind_group_layout(0),
            entries: &entries,
        });
        // Four words an invocation, none of which is of two rows or of two columns.
        let quads = [constants.gathered, constants.first, constants.second];
        let quads: u32 = quads.iter().map(|words| words.div_ceil(4)).sum();
        size((quads as usize).saturating_mul(table.capacity()))?;
        small.push(uniform);
        placings.push(Placing { bindings, grid: Grid::elements(quads.saturating_mul(4)) });
    }
    Ok((placings, small))
}
