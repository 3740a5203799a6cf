//! Uploads: a ring of mapped slots. A batch is written into a free one and copied to its buffers
//! by the step's own encoder; when that work is done, the slot maps itself again.

use std::sync::{Arc, Mutex, PoisonError};

use futures_intrusive::sync::ManualResetEvent;
use wgpu::{Buffer, BufferUsages, CommandEncoder, MapMode, SubmissionIndex};

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

    /// Which submission the slot comes back with, where it is known.
    pub fn submitted(&mut self, submission: SubmissionIndex) {
        self.submission = Some(submission);
    }

    fn state(&self) -> State {
        *self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The slots, used in turn.
pub(super) struct Ring {
    slots: Vec<Slot>,
    next: usize,
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
        };
        Ring { slots: (0..count).map(slot).collect(), next: 0 }
    }

    /// The next slot if it is free, without waiting.
    ///
    /// # Errors
    /// [`Error::Busy`] if it is not, [`Error::Device`] if the device fails.
    pub fn next(&mut self, gpu: &Gpu) -> Result<&mut Slot> {
        let slot = &self.slots[self.next];
        if slot.state() == State::Abandoned {
            // Nothing on the GPU uses it, so it maps at once.
            slot.shared.set(State::InFlight);
            let back = Return(Some(Arc::clone(&slot.shared)));
            gpu.guarded(|| {
                slot.buffer.map_async(MapMode::Write, .., move |result| back.done(result));
                Ok(())
            })?;
        }
        if slot.state() != State::Free {
            gpu.poll()?;
        }
        match slot.state() {
            State::Free => {
                let current = self.next;
                self.next = (current + 1) % self.slots.len();
                Ok(&mut self.slots[current])
            }
            State::Failed => Err(Error::Device("an upload buffer could not be mapped".into())),
            _ => Err(Error::Busy { slots: self.slots.len() }),
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
        gpu.wait(slot.submission.clone())?;
        // Its work is done, but the callback may be on another thread that polls the device, or,
        // on the web, be about to run. A slot in the host's encoder may wait to be submitted.
        if slot.submission.is_some() {
            slot.shared.back.wait().await;
        }
        Ok(())
    }
}
