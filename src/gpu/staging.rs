//! Uploads: a ring of mapped slots. A batch is written into a free one and copied to its buffers
//! by the step's own encoder; when that work is done, the slot maps itself again.

use std::sync::{Arc, Mutex, PoisonError};

use futures_intrusive::sync::ManualResetEvent;
use wgpu::{Buffer, BufferUsages, CommandEncoder, MapMode, SubmissionIndex};

use super::completion::polled;
use super::device::Gpu;
use crate::error::{Error, Result};

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Free,
    InFlight,
    /// The encoder that was to bring it back was dropped unsubmitted.
    Abandoned,
    Failed,
}

/// What the callback that brings a slot back tells its owner.
struct Shared {
    state: Mutex<State>,
    // Set while the slot is not in flight.
    back: ManualResetEvent,
}

impl Shared {
    fn state(&self) -> State {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, state: State) {
        // Event and state change together, as the callback may run on another thread.
        let mut current = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *current = state;
        if state == State::InFlight {
            self.back.reset();
        } else {
            self.back.set();
        }
    }
}

/// One staging buffer, mapped for writing while it is free.
pub(super) struct Slot {
    pub buffer: Buffer,
    shared: Arc<Shared>,
    submission: Option<SubmissionIndex>,
    /// The step that a host's encoder was given and that may not have run yet.
    recorded: Option<RecordedStep>,
}

/// A step in an encoder that the host submits, or drops.
#[derive(Clone, Copy)]
pub(super) struct RecordedStep {
    /// What the device writes down when it runs the step.
    pub serial: u32,
    pub rows: usize,
    /// False if nobody asks any more whether it was dropped.
    pub counts: bool,
}

/// Brings the slot back if the mapping callback never runs.
struct Return(Option<Arc<Shared>>);

impl Drop for Return {
    fn drop(&mut self) {
        if let Some(shared) = self.0.take() {
            shared.set(State::Abandoned);
        }
    }
}

impl Return {
    fn done(mut self, result: Result<(), wgpu::BufferAsyncError>) {
        if let Some(shared) = self.0.take() {
            shared.set(if result.is_ok() { State::Free } else { State::Failed });
        }
    }
}

impl Slot {
    /// Records that the slot maps itself again once `encoder`'s commands have run.
    pub fn return_after(&mut self, encoder: &CommandEncoder) {
        self.shared.set(State::InFlight);
        self.submission = None;
        let back = Return(Some(Arc::clone(&self.shared)));
        encoder.map_buffer_on_submit(&self.buffer, MapMode::Write, .., move |r| back.done(r));
    }

    /// Says that the slot's step is in an encoder of the host's.
    pub fn record(&mut self, step: RecordedStep) {
        self.recorded = Some(step);
    }

    /// Which submission the slot comes back with, where it is known.
    pub fn submitted(&mut self, submission: SubmissionIndex) {
        self.submission = Some(submission);
    }

    fn state(&self) -> State {
        self.shared.state()
    }
}

/// The slots, used in turn.
pub(super) struct Ring {
    slots: Vec<Slot>,
    next: usize,
    tally: Tally,
}

/// What became of the steps that were recorded into a host's encoders.
#[derive(Default)]
struct Tally {
    /// Samples of those that ran since the metrics were cleared.
    samples: usize,
    /// Those whose encoder was dropped.
    dropped: u64,
    /// Slots of a ring that was replaced by a larger one, whose step may still be dropped.
    replaced: Vec<Arc<Shared>>,
}

impl Ring {
    /// Slots of `size` bytes: three, so that one is filled while one is copied and one waits; two
    /// where they are large.
    pub fn new(gpu: &Gpu, size: u64) -> Self {
        let count = if size > 16 << 20 { 2 } else { 3 };
        let slot = |_| Slot {
            buffer: gpu.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("minibatch.upload"),
                size,
                usage: BufferUsages::MAP_WRITE | BufferUsages::COPY_SRC,
                mapped_at_creation: true,
            }),
            shared: Arc::new(Shared {
                state: Mutex::new(State::Free),
                back: ManualResetEvent::new(true),
            }),
            submission: None,
            recorded: None,
        };
        Ring { slots: (0..count).map(slot).collect(), next: 0, tally: Tally::default() }
    }

    /// Number of slots.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Goes on with the count of recorded steps from a ring that this one replaces. What these add
    /// to the metrics from now on goes to memory that was replaced too.
    pub fn replace(&mut self, old: Ring) {
        self.tally = Tally { samples: 0, ..old.tally };
        let unsettled =
            old.slots.into_iter().filter(|slot| slot.recorded.is_some_and(|r| r.counts));
        self.tally.replaced.extend(unsettled.map(|slot| slot.shared));
        self.tally.replaced.retain(|shared| shared.state() != State::Free);
    }

    /// Samples of recorded steps whose metrics lie on the device, as of the last
    /// [`settle`](Self::settle).
    pub fn recorded_samples(&self) -> usize {
        self.tally.samples
    }

    /// Whether a recorded step has run since the metrics were cleared, or may still run.
    pub fn has_recorded(&self) -> bool {
        let waits = |slot: &Slot| slot.recorded.is_some() && slot.state() != State::Abandoned;
        self.tally.samples > 0 || self.slots.iter().any(waits)
    }

    /// Recorded steps whose encoder was dropped, ever.
    pub fn dropped(&self) -> u64 {
        let counted = |slot: &&Slot| slot.recorded.is_some_and(|step| step.counts);
        let slots = self.slots.iter().filter(counted).map(|slot| slot.state());
        let states = slots.chain(self.tally.replaced.iter().map(|shared| shared.state()));
        self.tally.dropped + states.filter(|&state| state == State::Abandoned).count() as u64
    }

    /// No longer counts those recorded so far as dropped when they are.
    pub fn forget_dropped(&mut self) {
        self.tally.dropped = self.dropped();
        self.tally.replaced.clear();
        for slot in &mut self.slots {
            if let Some(step) = &mut slot.recorded {
                step.counts = false;
            }
        }
    }

    /// Counts the samples of recorded steps that ran, given the serial that the device wrote down
    /// last for each slot, read together with the metrics.
    pub fn settle(&mut self, ran: impl Iterator<Item = u32>) {
        for (slot, ran) in self.slots.iter_mut().zip(ran) {
            if let Some(step) = slot.recorded.take_if(|step| step.serial == ran) {
                self.tally.samples += step.rows;
            }
        }
    }

    /// Begins anew, as the metrics were cleared.
    pub fn clear(&mut self) {
        self.tally.samples = 0;
        for slot in &mut self.slots {
            if slot.state() == State::Free {
                slot.recorded = None;
            }
        }
    }

    /// The next slot if it is free, without waiting.
    ///
    /// # Errors
    /// [`Error::Busy`] if it is not, [`Error::Device`] if the device fails.
    pub fn next(&mut self, gpu: &Gpu) -> Result<(usize, &mut Slot)> {
        let (place, count) = (self.next, self.slots.len());
        let slot = &mut self.slots[place];
        if slot.state() == State::Abandoned {
            if slot.recorded.take().is_some_and(|step| step.counts) {
                self.tally.dropped += 1;
            }
            // Nothing on the GPU uses it, so it maps at once.
            slot.shared.set(State::InFlight);
            let back = Return(Some(Arc::clone(&slot.shared)));
            gpu.guarded(|| {
                slot.buffer.map_async(MapMode::Write, .., move |result| back.done(result));
                Ok(())
            })?;
        }
        if slot.state() != State::Free {
            // Natively the callback that frees it runs in a poll; this one does not wait.
            let _ = gpu.device.poll(wgpu::PollType::Poll);
            gpu.check()?;
        }
        match slot.state() {
            State::Free => {
                self.next = (place + 1) % count;
                if let Some(step) = slot.recorded.take() {
                    self.tally.samples += step.rows;
                }
                Ok((place, slot))
            }
            State::Failed => Err(gpu.failed(wgpu::BufferAsyncError)),
            State::InFlight | State::Abandoned => Err(Error::Busy { slots: count }),
        }
    }

    /// Waits until the next slot is free.
    ///
    /// # Errors
    /// [`Error::Device`] if the device fails.
    pub async fn ready(&mut self, gpu: &Gpu) -> Result<()> {
        let slot = &self.slots[self.next];
        if slot.state() != State::InFlight {
            return Ok(());
        }
        // A slot in the host's encoder may wait to be submitted.
        if let Some(submission) = &slot.submission {
            polled(gpu, Some(submission), slot.shared.back.wait()).await;
        }
        gpu.check()
    }
}
