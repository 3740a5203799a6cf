//! Uploads: a ring of mapped slots. A batch is written into a free one and copied to its buffers
//! by the step's own encoder; when that work is done, the slot maps itself again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use futures_intrusive::sync::ManualResetEvent;
use wgpu::{Buffer, BufferUsages, CommandEncoder, MapMode, SubmissionIndex};

use super::device::Gpu;
use crate::error::{Error, Result};

/// A slot's state.
const FREE: u8 = 0;
const IN_FLIGHT: u8 = 1;
/// The encoder that was to bring it back was dropped unsubmitted.
const ABANDONED: u8 = 2;
const FAILED: u8 = 3;

struct Shared {
    state: AtomicU8,
    changed: ManualResetEvent,
}

impl Shared {
    fn set(&self, state: u8) {
        self.state.store(state, Ordering::Release);
        if state == IN_FLIGHT {
            self.changed.reset();
        } else {
            self.changed.set();
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
            shared.set(ABANDONED);
        }
    }
}

impl Return {
    fn done(mut self, result: Result<(), wgpu::BufferAsyncError>) {
        if let Some(shared) = self.0.take() {
            shared.set(if result.is_ok() { FREE } else { FAILED });
        }
    }
}

impl Slot {
    /// Records that the slot maps itself again once `encoder`'s commands have run.
    pub fn return_after(&mut self, encoder: &CommandEncoder) {
        self.shared.set(IN_FLIGHT);
        self.submission = None;
        let back = Return(Some(Arc::clone(&self.shared)));
        encoder.map_buffer_on_submit(&self.buffer, MapMode::Write, .., move |r| back.done(r));
    }

    /// Which submission the slot comes back with, where it is known.
    pub fn submitted(&mut self, submission: SubmissionIndex) {
        self.submission = Some(submission);
    }

    fn state(&self) -> u8 {
        self.shared.state.load(Ordering::Acquire)
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
                state: AtomicU8::new(FREE),
                changed: ManualResetEvent::new(true),
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
        if slot.state() == ABANDONED {
            // Nothing on the GPU uses it, so it maps at once.
            slot.shared.set(IN_FLIGHT);
            let back = Return(Some(Arc::clone(&slot.shared)));
            gpu.guarded(|| {
                slot.buffer.map_async(MapMode::Write, .., move |result| back.done(result));
                Ok(())
            })?;
        }
        if slot.state() != FREE {
            gpu.poll()?;
        }
        match slot.state() {
            FREE => {
                let current = self.next;
                self.next = (current + 1) % self.slots.len();
                Ok(&mut self.slots[current])
            }
            FAILED => Err(Error::Device("an upload buffer could not be mapped".into())),
            _ => Err(Error::Busy { slots: self.slots.len() }),
        }
    }

    /// Waits until the next slot is free.
    ///
    /// # Errors
    /// [`Error::Device`] if the device fails.
    pub async fn ready(&mut self, gpu: &Gpu) -> Result<()> {
        let slot = &self.slots[self.next];
        if slot.state() == IN_FLIGHT {
            gpu.wait(slot.submission.clone())?;
            // The web cannot block: there the callback runs while this is suspended.
            #[cfg(target_arch = "wasm32")]
            slot.shared.changed.wait().await;
        }
        Ok(())
    }
}
