//! Uploads: a ring of mapped slots. A feed is filled in a free one, and copied to the program's
//! buffers by the step's own encoder; when that work is done, the slot maps itself again.

use std::sync::{Arc, Mutex, PoisonError};

use futures_intrusive::sync::ManualResetEvent;
use wgpu::{Buffer, BufferUsages, CommandEncoder, MapMode, SubmissionIndex};

use super::completion::polled;
use super::device::Gpu;
use super::slots::Slots;
use crate::clock::Instant;
use crate::error::{Error, Result};

/// Where the rows of one column come from.
#[derive(Debug, Clone)]
pub(super) enum Rows {
    /// So many of them are in the slot.
    Written(usize),
    /// They lie on the device, one after the other without padding, from a byte on.
    Region(Buffer, u64),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Mapped.
    Free,
    /// Mapped, and filled by somebody.
    Lent,
    InFlight,
    /// The encoder that was to bring it back was dropped unsubmitted.
    Abandoned,
    Failed,
}

/// One staging buffer, mapped for writing while it is free. Whoever it is lent to and the callback
/// that brings it back share it with the ring.
pub(super) struct Slot {
    pub buffer: Buffer,
    state: Mutex<State>,
    // Set while the slot is not in flight.
    back: ManualResetEvent,
    /// When it came back last.
    back_at: Mutex<Option<Instant>>,
    /// Memory for the next feed's list of columns.
    columns: Mutex<Vec<Rows>>,
}

impl Slot {
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

    /// When the submission was done that it was in last; `None` if none was.
    pub(super) fn back_at(&self) -> Option<Instant> {
        *self.back_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn take_columns(&self) -> Vec<Rows> {
        std::mem::take(&mut self.columns.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The end of a feed; `mapped` if its rows went nowhere.
    pub(super) fn give_back(&self, mapped: bool, columns: Vec<Rows>) {
        *self.columns.lock().unwrap_or_else(PoisonError::into_inner) = columns;
        if self.state() == State::Lent {
            self.set(if mapped { State::Free } else { State::Abandoned });
        }
    }

    /// Records that the slot maps itself again once `encoder`'s commands have run.
    pub(super) fn return_after(self: &Arc<Self>, encoder: &CommandEncoder) {
        self.set(State::InFlight);
        let back = Return(Some(Arc::clone(self)));
        encoder.map_buffer_on_submit(&self.buffer, MapMode::Write, .., move |r| back.done(r));
    }
}

/// Brings the slot back if the mapping callback never runs.
struct Return(Option<Arc<Slot>>);

impl Drop for Return {
    fn drop(&mut self) {
        if let Some(slot) = self.0.take() {
            slot.set(State::Abandoned);
        }
    }
}

impl Return {
    fn done(mut self, result: Result<(), wgpu::BufferAsyncError>) {
        if let Some(slot) = self.0.take() {
            *slot.back_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            slot.set(if result.is_ok() { State::Free } else { State::Failed });
        }
    }
}

/// What the steps that a host records add to: each has metrics of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scored {
    Training,
    Evaluation,
}

/// Steps in an encoder that the host submits, or drops: all of them run, or none.
#[derive(Clone, Copy)]
pub(super) struct RecordedSteps {
    /// What the device writes down when it runs them.
    pub serial: u32,
    pub scored: Scored,
    /// Samples of all of them.
    pub rows: usize,
    /// How many count as dropped if they are: none of an evaluation, or if nobody asks any more.
    pub steps: u64,
    /// Whether they were recorded when the copy was made that is on its way to the host, so that it
    /// has what they add up to if they had run.
    pub copied: bool,
}

/// A slot, and what the ring knows of its last step.
struct Place {
    slot: Arc<Slot>,
    /// Which submission the slot comes back with, where it is known.
    submission: Option<SubmissionIndex>,
    /// The steps that a host's encoder was given and that may not have run yet.
    recorded: Option<RecordedSteps>,
}

impl Place {
    #[cfg_attr(
        target_arch = "wasm32",
        expect(clippy::arc_with_non_send_sync, reason = "natively it goes to other threads")
    )]
    fn new(gpu: &Gpu, size: u64) -> Self {
        let slot = Slot {
            buffer: gpu.create_buffer(&wgpu::BufferDescriptor {
                label: Some(&gpu.label("minibatch.upload")),
                size,
                usage: BufferUsages::MAP_WRITE | BufferUsages::COPY_SRC,
                mapped_at_creation: true,
            }),
            state: Mutex::new(State::Free),
            back: ManualResetEvent::new(true),
            back_at: Mutex::default(),
            columns: Mutex::default(),
        };
        Place { slot: Arc::new(slot), submission: None, recorded: None }
    }

    /// The slot and its steps that count if they are dropped, if there are some.
    fn unsettled(self) -> Option<(Arc<Slot>, u64)> {
        let steps = self.recorded?.steps;
        (steps > 0).then_some((self.slot, steps))
    }
}

/// The slots, used in turn.
pub(super) struct Ring {
    places: Vec<Place>,
    next: usize,
    tally: Tally,
}

/// What became of the steps that were recorded into a host's encoders.
#[derive(Default)]
struct Tally {
    /// Samples of those that ran since the metrics were cleared: of [`Scored`] each.
    samples: [usize; 2],
    /// Steps that have run, by the number of their place: before a copy that is on its way was made,
    /// or after, which only the copy tells.
    undecided: Vec<(usize, RecordedSteps)>,
    /// Those whose encoder was dropped.
    dropped: u64,
    /// Slots of a ring that was replaced by a larger one, whose steps may still be dropped, and how
    /// many these are.
    replaced: Vec<(Arc<Slot>, u64)>,
}

impl Tally {
    /// Counts the steps of a place, which have run.
    fn ran(&mut self, place: usize, steps: RecordedSteps) {
        match steps.copied {
            true => self.undecided.push((place, steps)),
            false => self.samples[steps.scored as usize] += steps.rows,
        }
    }
}

impl Ring {
    /// As many slots of `size` bytes as `slots` says.
    pub(super) fn new(gpu: &Gpu, size: u64, slots: Slots) -> Self {
        let places = (0..slots.count(size)).map(|_| Place::new(gpu, size)).collect();
        Ring { places, next: 0, tally: Tally::default() }
    }

    /// Number of slots.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Bytes of all slots, those of rings that were replaced included that are still on their way.
    pub(super) fn bytes(&self) -> u64 {
        let slots = self.places.iter().map(|place| &place.slot);
        slots
            .chain(self.tally.replaced.iter().map(|(slot, _)| slot))
            .map(|slot| slot.buffer.size())
            .sum()
    }

    /// Lends a free slot, without waiting.
    ///
    /// # Errors
    /// [`Error::Busy`] if none is free, [`Error::Device`] if the device fails.
    pub(super) fn lend(&mut self, gpu: &Gpu) -> Result<Arc<Slot>> {
        self.revive(gpu)?;
        let free = match self.free() {
            Some(place) => Some(place),
            None => {
                // Natively the callback that frees one runs in a poll; this one does not wait.
                let _ = gpu.device.poll(wgpu::PollType::Poll);
                gpu.check()?;
                self.free()
            }
        };
        let Some(place) = free else {
            let failed = self.places.iter().any(|place| place.slot.state() == State::Failed);
            return Err(match failed {
                true => gpu.failed(wgpu::BufferAsyncError),
                false => Error::Busy { slots: self.places.len() },
            });
        };
        self.next = (place + 1) % self.places.len();
        let number = place;
        let place = &mut self.places[place];
        if let Some(steps) = place.recorded.take() {
            self.tally.ran(number, steps);
        }
        place.submission = None;
        place.slot.set(State::Lent);
        Ok(Arc::clone(&place.slot))
    }

    /// Lends a free slot, without waiting: one more is made if none is free.
    ///
    /// # Errors
    /// [`Error::Device`] if the device fails.
    pub(super) fn lend_or_add(&mut self, gpu: &Gpu) -> Result<Arc<Slot>> {
        match self.lend(gpu) {
            Err(Error::Busy { .. }) => {
                let size = self.places.first().map_or(0, |place| place.slot.buffer.size());
                let place = gpu.guarded(|| Ok(Place::new(gpu, size)))?;
                place.slot.set(State::Lent);
                let slot = Arc::clone(&place.slot);
                self.places.push(place);
                Ok(slot)
            }
            lent => lent,
        }
    }

    /// The places, the next one first.
    fn in_turn(&self) -> impl Iterator<Item = usize> {
        (self.next..self.places.len()).chain(0..self.next)
    }

    /// Whether a slot is free.
    pub(super) fn has_free(&self) -> bool {
        self.free().is_some()
    }

    fn free(&self) -> Option<usize> {
        self.in_turn().find(|&place| self.places[place].slot.state() == State::Free)
    }

    /// Maps those again whose encoder was dropped.
    fn revive(&mut self, gpu: &Gpu) -> Result<()> {
        for place in &mut self.places {
            if place.slot.state() != State::Abandoned {
                continue;
            }
            self.tally.dropped += place.recorded.take().map_or(0, |recorded| recorded.steps);
            // Nothing on the GPU uses it, so it maps at once.
            place.slot.set(State::InFlight);
            let back = Return(Some(Arc::clone(&place.slot)));
            gpu.guarded(|| {
                place.slot.buffer.map_async(MapMode::Write, .., move |result| back.done(result));
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Waits until a slot is free, unless only the host can free one.
    ///
    /// # Errors
    /// [`Error::Device`] if the device fails.
    pub(super) async fn ready(&self, gpu: &Gpu) -> Result<()> {
        let mut oldest = None;
        for place in self.in_turn().map(|place| &self.places[place]) {
            match (place.slot.state(), &place.submission) {
                (State::Free | State::Abandoned | State::Failed, _) => return gpu.check(),
                (State::InFlight, Some(submission)) => {
                    oldest = oldest.or(Some((place, submission)));
                }
                // It is filled, or waits in the host's encoder.
                (State::Lent, _) | (State::InFlight, None) => {}
            }
        }
        if let Some((place, submission)) = oldest {
            polled(gpu, Some(submission), place.slot.back.wait()).await;
        }
        gpu.check()
    }

    /// The number of a slot, if it is one of these.
    pub(super) fn place(&self, slot: &Arc<Slot>) -> Option<usize> {
        self.places.iter().position(|place| Arc::ptr_eq(&place.slot, slot))
    }

    /// Says which submission the slot at `place` comes back with.
    pub(super) fn submitted(&mut self, place: usize, submission: SubmissionIndex) {
        self.places[place].submission = Some(submission);
    }

    /// Says that the steps of the slot at `place` are in an encoder of the host's.
    pub(super) fn record(&mut self, place: usize, steps: RecordedSteps) {
        self.places[place].recorded = Some(steps);
    }

    /// Goes on with the count of recorded steps from a ring that this one replaces. What these add
    /// to the metrics from now on goes to memory that was replaced too.
    pub(super) fn replace(&mut self, old: Ring) {
        self.tally = Tally { samples: [0; 2], undecided: Vec::new(), ..old.tally };
        let unsettled = old.places.into_iter().filter_map(Place::unsettled);
        self.tally.replaced.extend(unsettled);
        self.tally.replaced.retain(|(slot, _)| slot.state() != State::Free);
    }

    /// Samples of recorded steps whose metrics lie on the device, as of the last
    /// [`settle`](Self::settle).
    pub(super) fn recorded_samples(&self, scored: Scored) -> usize {
        self.tally.samples[scored as usize]
    }

    /// Whether a recorded step has run since the metrics were cleared, or may still run.
    pub(super) fn has_recorded(&self, scored: Scored) -> bool {
        let may_run = |place: &Place| {
            place.recorded.is_some_and(|steps| steps.scored == scored)
                && place.slot.state() != State::Abandoned
        };
        self.recorded_samples(scored) > 0 || self.places.iter().any(may_run)
    }

    /// Recorded steps whose encoder was dropped, ever.
    pub(super) fn dropped(&self) -> u64 {
        let own = self.places.iter().filter_map(|place| Some((&place.slot, place.recorded?.steps)));
        let replaced = self.tally.replaced.iter().map(|(slot, steps)| (slot, *steps));
        let abandoned = own.chain(replaced).filter(|(slot, _)| slot.state() == State::Abandoned);
        self.tally.dropped + abandoned.map(|(_, steps)| steps).sum::<u64>()
    }

    /// No longer counts those recorded so far as dropped when they are.
    pub(super) fn forget_dropped(&mut self) {
        self.tally.dropped = self.dropped();
        self.tally.replaced.clear();
        for place in &mut self.places {
            if let Some(recorded) = &mut place.recorded {
                recorded.steps = 0;
            }
        }
    }

    /// Counts the samples of recorded steps that ran, given the serial that the device wrote down
    /// last for each slot. How many recorded steps had not run then, and may still run.
    pub(super) fn settle(&mut self, ran: impl Iterator<Item = u32>) -> u64 {
        let mut not_run = 0;
        for ((number, place), ran) in self.places.iter_mut().enumerate().zip(ran) {
            if let Some(steps) = place.recorded.take_if(|steps| steps.serial == ran) {
                self.tally.ran(number, steps);
            }
            if let Some(steps) = &place.recorded
                && place.slot.state() != State::Abandoned
            {
                not_run += steps.steps;
            }
        }
        let replaced = self.tally.replaced.iter();
        let in_flight = replaced.filter(|(slot, _)| slot.state() == State::InFlight);
        not_run + in_flight.map(|(_, steps)| steps).sum::<u64>()
    }

    /// Says that what steps have added up to is being copied and cleared. Samples of the steps that
    /// had run by then, as far as that is known.
    pub(super) fn begin_copy(&mut self, scored: Scored) -> usize {
        let recorded = self.places.iter_mut().filter_map(|place| place.recorded.as_mut());
        recorded.filter(|steps| steps.scored == scored).for_each(|steps| steps.copied = true);
        std::mem::take(&mut self.tally.samples[scored as usize])
    }

    /// Says that the copy has arrived, given the serial that the device had written down last for
    /// each slot. Samples of the other steps that had run by then.
    pub(super) fn end_copy(&mut self, scored: Scored, ran: impl Iterator<Item = u32>) -> usize {
        let ran: Vec<u32> = ran.collect();
        let has_run = |place: usize, steps: &RecordedSteps| ran.get(place) == Some(&steps.serial);
        let mut samples = 0;
        let Tally { undecided, samples: since, .. } = &mut self.tally;
        undecided.retain(|(place, steps)| {
            if steps.scored == scored {
                let counted =
                    if has_run(*place, steps) { &mut samples } else { &mut since[scored as usize] };
                *counted += steps.rows;
            }
            steps.scored != scored
        });
        for (number, place) in self.places.iter_mut().enumerate() {
            let copied = |steps: &mut RecordedSteps| steps.copied && steps.scored == scored;
            if let Some(steps) = place.recorded.take_if(copied) {
                if has_run(number, &steps) {
                    samples += steps.rows;
                } else {
                    place.recorded = Some(RecordedSteps { copied: false, ..steps });
                }
            }
        }
        samples
    }

    /// Begins anew, as these metrics were cleared.
    pub(super) fn clear(&mut self, scored: Scored) {
        self.tally.samples[scored as usize] = 0;
        self.tally.undecided.retain(|(_, steps)| steps.scored != scored);
        for place in &mut self.places {
            if place.slot.state() == State::Free {
                place.recorded.take_if(|steps| steps.scored == scored);
            }
        }
    }
}
