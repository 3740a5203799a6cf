//! Faults that a test injects into a device, wherever it is given work: how it is shown that each ends
//! in a typed error, and that what can go on does.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::error::{DeviceError, Result};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[doc(hidden)]
pub enum Fault {
    /// The device is destroyed just before it is given work.
    Lost,
    /// The device has no memory for what it is told to do, and does nothing of it.
    Refused,
    /// There is no memory for a buffer.
    NoMemory,
    /// There is no memory for a buffer, nor for any after it.
    NoMemoryFromThen,
}

/// Counts the points where something can go wrong on a device, and lets it go wrong at one of them.
/// Shared by a [`Gpu`](crate::Gpu) and its clones.
#[derive(Debug, Default)]
#[doc(hidden)]
pub struct Faults {
    works: AtomicU64,
    buffers: AtomicU64,
    made: Mutex<Vec<(String, u64)>>,
    /// What goes wrong, and at which count.
    armed: Mutex<Option<(Fault, u64)>>,
    /// Whether the device has yet to say that a buffer was refused.
    refused: AtomicBool,
}

impl Faults {
    /// Lets `fault` happen after so many more points of its kind: pieces of work, or buffers.
    pub fn arm(&self, fault: Fault, after: u64) {
        let now = match fault {
            Fault::Lost | Fault::Refused => &self.works,
            Fault::NoMemory | Fault::NoMemoryFromThen => &self.buffers,
        };
        *self.armed() = Some((fault, now.load(Ordering::Relaxed) + after));
    }

    /// Nothing goes wrong from now on.
    pub fn disarm(&self) {
        *self.armed() = None;
        self.refused.store(false, Ordering::Relaxed);
    }

    /// Pieces of work that the device was given so far.
    pub fn works(&self) -> u64 {
        self.works.load(Ordering::Relaxed)
    }

    /// Buffers that were made so far.
    pub fn buffers(&self) -> u64 {
        self.buffers.load(Ordering::Relaxed)
    }

    /// Label and bytes of each of them, in the order in which they were made.
    pub fn made(&self) -> Vec<(String, u64)> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn armed(&self) -> std::sync::MutexGuard<'_, Option<(Fault, u64)>> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Faults {
    /// Comes before each piece of work on `device`.
    ///
    /// # Errors
    /// That of the fault that is to happen here.
    pub(super) fn before_work(&self, device: &wgpu::Device) -> Result<()> {
        let number = self.works.fetch_add(1, Ordering::Relaxed);
        match *self.armed() {
            Some((Fault::Lost, at)) if number == at => {
                device.destroy();
                Ok(())
            }
            Some((Fault::Refused, at)) if number == at => {
                Err(DeviceError::OutOfMemory("a fault that was asked for".into()).into())
            }
            _ => Ok(()),
        }
    }

    /// A buffer of `device`: an invalid one if there is no memory for it.
    pub(super) fn create_buffer(
        &self,
        device: &wgpu::Device,
        descriptor: &wgpu::BufferDescriptor<'_>,
    ) -> wgpu::Buffer {
        let number = self.buffers.fetch_add(1, Ordering::Relaxed);
        let label = descriptor.label.unwrap_or_default().to_owned();
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.push((label, descriptor.size));
        drop(made);
        let none = match *self.armed() {
            Some((Fault::NoMemory, at)) => number == at,
            Some((Fault::NoMemoryFromThen, at)) => number >= at,
            _ => false,
        };
        if !none {
            return device.create_buffer(descriptor);
        }
        self.refused.store(true, Ordering::Relaxed);
        // Without a usage a buffer is as invalid as one without memory.
        let usage = wgpu::BufferUsages::empty();
        device.create_buffer(&wgpu::BufferDescriptor { usage, ..descriptor.clone() })
    }

    /// What the device would have said if a buffer that was refused had been one without memory.
    pub(super) fn as_told(&self, error: wgpu::Error) -> wgpu::Error {
        match self.refused.swap(false, Ordering::Relaxed) {
            true => wgpu::Error::OutOfMemory { source: "a fault that was asked for".into() },
            false => error,
        }
    }
}
