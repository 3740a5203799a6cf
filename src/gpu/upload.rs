//! How the rows and the scalars of a step get to the device: written into a slot of the ring, and
//! copied from there by the step's own encoder.

use std::sync::Arc;

use wgpu::{BufferUsages, CommandEncoder};

use super::device::Gpu;
use super::feed::{GpuFeed, Layout};
use super::kernel_limits::STEP_BYTES;
use super::readback::Source;
use super::slots::Slots;
use super::staging::{RecordedSteps, Ring, Rows, Scored, Slot};
use super::table::Table;
use crate::error::{Error, Result};
use crate::operation::kernel::size;
use crate::program::{Feed, Pass, Program, Step};

/// The same and the step's serial, by which the host learns that the device has run the step.
const HEADER_BYTES: u64 = STEP_BYTES + 4;

/// From one step's uniform to the next: the largest alignment of a dynamic offset that a device
/// may ask for.
pub(super) const STEP_STRIDE: u32 = 256;

/// Steps on resident rows that are submitted together at most.
pub(super) const MOST_STEPS: usize = 128;

/// Bytes of a slot at least: the scalars of as many steps as are recorded together.
const LEAST_SLOT: u64 = MOST_STEPS as u64 * STEP_STRIDE as u64;

/// A step on rows that lie on the device.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowStep {
    /// Its scalars.
    pub step: Step,
    /// Its first row, or its first number of a row.
    pub first: u32,
}

/// The ring of slots, what lies where in each of them, and the uniforms of the steps' scalars.
pub(super) struct Upload {
    ring: Ring,
    layout: Arc<Layout>,
    /// One for each slot, one for steps without a feed, and those of steps on resident rows.
    steps: wgpu::Buffer,
    serial: u32,
}

/// Steps that were recorded with one slot.
pub(super) struct Recorded {
    /// The dynamic offset of the uniform of the first one.
    pub offset: u32,
    /// The slot.
    pub place: usize,
    serial: u32,
    steps: u64,
    rows: usize,
}

/// What tells the buffers of one executor from those of another, and from those that it had before.
#[derive(Clone)]
pub(super) struct Stamp(Arc<Layout>);

impl Upload {
    /// As many slots as `slots` says, for up to `capacity` rows.
    ///
    /// # Errors
    /// [`Error::Device`] if they cannot be made.
    pub(super) async fn new(
        gpu: &Gpu,
        program: &Arc<Program>,
        capacity: usize,
        slots: Slots,
    ) -> Result<Self> {
        let layout = Arc::new(Layout::new(Arc::clone(program), capacity, HEADER_BYTES, LEAST_SLOT));
        gpu.scoped(|| {
            let ring = Ring::new(gpu, layout.size, slots);
            let steps = gpu.create_buffer(&wgpu::BufferDescriptor {
                label: Some(&gpu.label("minibatch.step")),
                size: step_bytes(ring.len()),
                usage: BufferUsages::UNIFORM | BufferUsages::COPY_DST | BufferUsages::COPY_SRC,
                mapped_at_creation: false,
            });
            Ok(Upload { ring, layout, steps, serial: 0 })
        })
        .await
    }

    /// The uniform that kernels read a step's scalars from, with a dynamic offset.
    pub(super) fn binding(&self) -> wgpu::BindingResource<'_> {
        wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer: &self.steps,
            offset: 0,
            size: wgpu::BufferSize::new(STEP_BYTES),
        })
    }

    /// Where the device writes down which steps it has run.
    pub(super) fn ledger(&self) -> Source {
        (self.steps.clone(), 0, ledger_bytes(self.ring.len()))
    }

    /// Counts what the bytes of the [`ledger`](Self::ledger) say; how many recorded steps had not run
    /// then.
    pub(super) fn settle(&mut self, ledger: &[u8]) -> u64 {
        self.ring.settle(serials(ledger))
    }

    /// What [`Ring::end_copy`] counts, by the bytes of the ledger.
    pub(super) fn end_copy(&mut self, scored: Scored, ledger: &[u8]) -> usize {
        self.ring.end_copy(scored, serials(ledger))
    }

    /// The ring of slots.
    pub(super) fn ring(&mut self) -> &mut Ring {
        &mut self.ring
    }

    /// The same, to look at.
    pub(super) fn slots(&self) -> &Ring {
        &self.ring
    }

    /// Goes on from an upload that this one replaces, as [`Ring::replace`].
    pub(super) fn replace(&mut self, old: Upload) {
        self.serial = old.serial;
        self.ring.replace(old.ring);
    }

    /// Sets the step's scalars for what is submitted next, without a feed; the dynamic offset of
    /// its uniform.
    ///
    /// # Errors
    /// [`Error::Argument`] if there are more live rows than kernels can count.
    pub(super) fn write_step(&self, gpu: &Gpu, step: &Step) -> Result<u32> {
        let offset = self.ring.len() as u32 * STEP_STRIDE;
        let scalars = scalars(step, 0, 0)?;
        gpu.queue.write_buffer(&self.steps, offset.into(), bytemuck::cast_slice(&scalars));
        Ok(offset)
    }

    /// Records the copy of the scalars of steps on resident rows, one each `STEP_STRIDE` bytes, from
    /// the beginning of `from`.
    pub(super) fn copy_headers(
        &self,
        encoder: &mut CommandEncoder,
        from: &wgpu::Buffer,
        bytes: u64,
    ) {
        let offset = u64::from(self.gathered_offset(0));
        encoder.copy_buffer_to_buffer(from, 0, &self.steps, offset, bytes);
    }

    /// The dynamic offset of the uniform of the step on resident rows that is `number` in its
    /// submission.
    pub(super) fn gathered_offset(&self, number: usize) -> u32 {
        (self.ring.len() + 1 + number) as u32 * STEP_STRIDE
    }

    /// Waits until a slot is free.
    ///
    /// # Errors
    /// [`Error::Device`] if the device fails.
    pub(super) async fn ready(&self, gpu: &Gpu) -> Result<()> {
        self.ring.ready(gpu).await
    }

    /// A free slot for `rows` rows, for which there is room.
    ///
    /// # Errors
    /// [`Error::Busy`] if none is free, [`Error::Device`] if the device fails.
    pub(super) fn lend(&mut self, gpu: &Gpu, rows: usize) -> Result<GpuFeed> {
        let slot = self.ring.lend(gpu)?;
        match slot.buffer.get_mapped_range_mut(..) {
            Ok(view) => Ok(GpuFeed::new(slot, view, Arc::clone(&self.layout), rows)),
            Err(error) => {
                slot.give_back(true, Vec::new());
                Err(gpu.failed(error))
            }
        }
    }

    /// Whether `feed` is a slot of this ring.
    pub(super) fn is_current(&self, feed: &GpuFeed) -> bool {
        feed.is_of(&self.layout)
    }

    /// Whether a step of `pass` can read `feed`.
    ///
    /// # Errors
    /// [`Error::Argument`] if rows are missing, the step has others, or the feed was lent before
    /// room was made for larger batches.
    pub(super) fn check(&self, pass: Pass, feed: &GpuFeed, step: &Step) -> Result<()> {
        if !self.is_current(feed) {
            let problem = "is of another executor, or of before room was made for larger \
                           batches; take a new one";
            return Err(Error::argument("feed", problem));
        }
        if feed.rows() != step.live_rows {
            let problem = format!("has {} rows and the step {}", feed.rows(), step.live_rows);
            return Err(Error::argument("feed", problem));
        }
        for (_, buffer, rows) in feed.filled().filter(|(_, buffer, _)| pass.reads(buffer.role)) {
            if let Rows::Written(filled) = rows {
                buffer.check_filled(*filled, feed.rows())?;
            }
        }
        Ok(())
    }

    /// Records the copies of the step's scalars, and of what `pass` reads of `feed`, into `table`.
    ///
    /// # Errors
    /// [`Error::Argument`] if there are more live rows than kernels can count; nothing is recorded
    /// then.
    pub(super) fn record(
        &mut self,
        table: &Table,
        encoder: &mut CommandEncoder,
        pass: Pass,
        mut feed: GpuFeed,
        step: &Step,
    ) -> Result<Recorded> {
        let scalars = scalars(step, 0, 0)?;
        let place = self.ring.place(feed.slot()).unwrap_or_default();
        let serial = self.next_serial();
        feed.seal(&[bytemuck::cast_slice(&scalars), &serial.to_ne_bytes()]);
        let offset = place as u32 * STEP_STRIDE;
        let slot = feed.slot();
        encoder.copy_buffer_to_buffer(&slot.buffer, 0, &self.steps, offset.into(), HEADER_BYTES);
        feed.copy(encoder, |role| pass.reads(role), |id| table.locate(id))?;
        slot.return_after(encoder);
        Ok(Recorded { offset, place, serial, steps: 1, rows: feed.rows() })
    }

    /// Records the copies of the scalars of `steps`, which are some and at most
    /// [`most_headers`](Self::most_headers), by one slot.
    ///
    /// # Errors
    /// [`Error::Busy`] if no slot is free, [`Error::Argument`] if there are more rows than kernels can
    /// count, [`Error::Device`] if the device fails; nothing is recorded then.
    pub(super) fn record_headers(
        &mut self,
        gpu: &Gpu,
        encoder: &mut CommandEncoder,
        steps: &[RowStep],
    ) -> Result<Recorded> {
        let slot = self.ring.lend(gpu)?;
        let bytes = steps.len() as u64 * u64::from(STEP_STRIDE);
        let filled = self.fill_headers(gpu, &slot, bytes, steps);
        let serial = match filled {
            Ok(serial) => serial,
            Err(error) => {
                slot.give_back(true, Vec::new());
                return Err(error);
            }
        };
        slot.buffer.unmap();
        let place = self.ring.place(&slot).unwrap_or_default();
        let offset = place as u32 * STEP_STRIDE;
        encoder.copy_buffer_to_buffer(&slot.buffer, 0, &self.steps, offset.into(), HEADER_BYTES);
        if steps.len() > 1 {
            self.copy_headers(encoder, &slot.buffer, bytes);
        }
        slot.return_after(encoder);
        let rows = steps.iter().map(|step| step.step.live_rows).sum();
        Ok(Recorded { offset, place, serial, steps: steps.len() as u64, rows })
    }

    /// Writes the scalars of `steps` to a slot; the serial that the first one has.
    fn fill_headers(
        &mut self,
        gpu: &Gpu,
        slot: &Slot,
        bytes: u64,
        steps: &[RowStep],
    ) -> Result<u32> {
        let mut view =
            slot.buffer.get_mapped_range_mut(..bytes).map_err(|error| gpu.failed(error))?;
        let serial = self.next_serial();
        for (number, RowStep { step, first }) in steps.iter().enumerate() {
            let scalars = scalars(step, 0, *first)?;
            let mut header = [0; HEADER_BYTES as usize];
            let (step, rest) = header.split_at_mut(STEP_BYTES as usize);
            step.copy_from_slice(bytemuck::cast_slice(&scalars));
            rest.copy_from_slice(&serial.to_ne_bytes());
            let start = number * STEP_STRIDE as usize;
            view.slice(start..start + header.len()).copy_from_slice(&header);
        }
        Ok(serial)
    }

    /// Steps that are recorded with one slot at most.
    pub(super) fn most_headers(&self) -> usize {
        MOST_STEPS
    }

    /// The dynamic offset of the uniform of the step that is `number` of those `recorded` together.
    pub(super) fn header_offset(&self, recorded: &Recorded, number: usize) -> u32 {
        match recorded.steps {
            1 => recorded.offset,
            _ => self.gathered_offset(number),
        }
    }

    fn next_serial(&mut self) -> u32 {
        // 0 is what the memory holds before any step has run.
        self.serial = self.serial.checked_add(1).unwrap_or(1);
        self.serial
    }

    /// What tells these slots and uniforms from others.
    pub(super) fn stamp(&self) -> Stamp {
        Stamp(Arc::clone(&self.layout))
    }

    /// Whether it is of these slots and uniforms.
    pub(super) fn is_of(&self, stamp: &Stamp) -> bool {
        Arc::ptr_eq(&self.layout, &stamp.0)
    }

    /// Says that the encoder of steps of `pass` is the host's, who submits it, or drops it.
    pub(super) fn left_to_host(&mut self, pass: Pass, recorded: &Recorded) {
        let Recorded { serial, rows, place, steps, .. } = *recorded;
        let (scored, steps) = match pass {
            Pass::Evaluate => (Scored::Evaluation, 0),
            // It adds to nothing.
            Pass::Predict => return,
            Pass::Train
            | Pass::AddPart
            | Pass::TakeParts
            | Pass::KeepShards
            | Pass::AddShards
            | Pass::Accumulate
            | Pass::Update
            | Pass::Gradients => (Scored::Training, steps),
        };
        self.ring.record(place, RecordedSteps { serial, scored, rows, steps, copied: false });
    }
}

/// The serials in the bytes of a ledger.
fn serials(ledger: &[u8]) -> impl Iterator<Item = u32> {
    let serial = STEP_BYTES as usize..HEADER_BYTES as usize;
    let entries = ledger.chunks(STEP_STRIDE as usize);
    entries.filter_map(move |entry| entry.get(serial.clone())).map(bytemuck::pod_read_unaligned)
}

/// Bytes of a slot for `rows` rows.
pub(super) fn slot_bytes(program: &Arc<Program>, rows: usize) -> u64 {
    Layout::new(Arc::clone(program), rows, HEADER_BYTES, LEAST_SLOT).size
}

/// Bytes on the device that batches of up to `rows` samples of `program` are uploaded through:
/// `upload_slots` are those of [`Compiled::upload_slots`](crate::Compiled::upload_slots).
pub(super) fn bytes(program: &Arc<Program>, rows: usize, upload_slots: Option<usize>) -> u64 {
    slot_bytes(program, rows).saturating_mul(slots(program, rows, upload_slots) as u64)
}

/// The same without the room that slots have for the scalars of steps whatever the batch.
pub(super) fn batch_bytes(program: &Arc<Program>, rows: usize, upload_slots: Option<usize>) -> u64 {
    let slot = Layout::new(Arc::clone(program), rows, HEADER_BYTES, 0).size;
    slot.saturating_mul(slots(program, rows, upload_slots) as u64)
}

/// The slots of these.
pub(super) fn slots(program: &Arc<Program>, rows: usize, upload_slots: Option<usize>) -> usize {
    Slots::new(upload_slots).count(slot_bytes(program, rows))
}

/// Bytes of the uniforms of steps' scalars, with so many slots.
pub(super) fn step_bytes(slots: usize) -> u64 {
    (slots + 1 + MOST_STEPS) as u64 * u64::from(STEP_STRIDE)
}

/// Bytes of those in which the device writes down which steps it has run.
pub(super) fn ledger_bytes(slots: usize) -> u64 {
    slots as u64 * u64::from(STEP_STRIDE)
}

/// The content of the step's uniform; `uploads_at` is where, in words, a step on resident rows finds
/// what it has uploaded, and `first_of_set` the first row of one on the host's buffers.
pub(super) fn scalars(step: &Step, uploads_at: u32, first_of_set: u32) -> Result<[u32; 12]> {
    let bits = |value: f64| (value as f32).to_bits();
    Ok([
        size(step.live_rows)?,
        // It is only compared with 0 and reported, so it may wrap around.
        step.number as u32,
        bits(step.step_size),
        bits(1.0 / step.batch_rows.max(1) as f64),
        bits(step.root_scale),
        bits(step.decay),
        step.noise as u32,
        (step.noise >> 32) as u32,
        size(step.first_row)?,
        bits(1.0 / step.live_rows.max(1) as f64),
        uploads_at,
        first_of_set,
    ])
}
