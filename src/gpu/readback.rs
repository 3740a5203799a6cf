//! Reading results back: copied to a mappable buffer, which is used again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wgpu::{Buffer, BufferUsages, CommandEncoder, MapMode, SubmissionIndex};

use super::completion::Completion;
use super::device::Gpu;
use super::labels::encoder;
use crate::error::Result;

/// What is read: a buffer, the byte at which it begins, and how many bytes it is.
pub(super) type Source = (Buffer, u64, u64);

/// The mappable buffers that nothing is read into.
#[derive(Clone, Default)]
pub(super) struct Readback {
    idle: Arc<Mutex<Vec<Buffer>>>,
    /// Bytes of all of them, those that are read into included.
    bytes: Arc<AtomicU64>,
}

/// Counts the bytes of a buffer as long as something is read into it, and from then on if it is kept.
struct Counted {
    bytes: Arc<AtomicU64>,
    size: u64,
}

impl Counted {
    fn keep(mut self) {
        self.size = 0;
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.bytes.fetch_sub(self.size, Ordering::Relaxed);
    }
}

/// Bytes of a buffer that `bytes` bytes are read through first.
pub(super) fn room(bytes: u64) -> u64 {
    bytes.checked_next_power_of_two().unwrap_or(bytes)
}

impl Readback {
    /// Submits a copy of `sources`, each `(buffer, offset, bytes)`: the bytes of all of them, one
    /// after the other.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) if the device fails.
    pub(super) fn read(&self, gpu: &Gpu, sources: &[Source]) -> Result<Completion<Vec<u8>>> {
        self.read_and(gpu, sources, |_| {})
    }

    /// The same with what `after` records behind the copy, in the same submission.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) if the device fails.
    pub(super) fn read_and(
        &self,
        gpu: &Gpu,
        sources: &[Source],
        after: impl FnOnce(&mut CommandEncoder),
    ) -> Result<Completion<Vec<u8>>> {
        Completion::start(gpu, |completer| {
            self.submit(gpu, sources, after, <[u8]>::to_vec, |bytes| completer.complete(bytes))
        })
    }

    /// The same as f32 numbers, without another copy, and with room for one more.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) if the device fails.
    pub(super) fn read_reals(&self, gpu: &Gpu, sources: &[Source]) -> Result<Completion<Vec<f32>>> {
        Completion::start(gpu, |completer| {
            let reals = |bytes: &[u8]| {
                let mut reals = Vec::with_capacity(bytes.len() / 4 + 1);
                reals.extend(bytes.chunks_exact(4).map(bytemuck::pod_read_unaligned::<f32>));
                reals
            };
            self.submit(gpu, sources, |_| {}, reals, |reals| completer.complete(reals))
        })
    }

    /// The same for who does not await it: `done` is called with the bytes when the device has
    /// copied them, by whoever polls it then.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) if the device fails.
    pub(super) fn read_then(
        &self,
        gpu: &Gpu,
        sources: &[Source],
        done: impl FnOnce(Result<Vec<u8>>) + Send + 'static,
    ) -> Result<SubmissionIndex> {
        self.submit(gpu, sources, |_| {}, <[u8]>::to_vec, done)
    }

    fn submit<T>(
        &self,
        gpu: &Gpu,
        sources: &[Source],
        after: impl FnOnce(&mut CommandEncoder),
        take: impl FnOnce(&[u8]) -> T + Send + 'static,
        done: impl FnOnce(Result<T>) + Send + 'static,
    ) -> Result<SubmissionIndex> {
        let total: u64 = sources.iter().map(|(_, _, bytes)| bytes).sum();
        gpu.guarded(|| {
            let buffer = self.take(gpu, total);
            let mut encoder = encoder(gpu, "minibatch.read");
            let mut end = 0;
            for (source, offset, bytes) in sources {
                encoder.copy_buffer_to_buffer(source, *offset, &buffer, end, *bytes);
                end += bytes;
            }
            after(&mut encoder);
            let submission = gpu.queue.submit([encoder.finish()]);
            let (readback, gpu, mapped) = (self.clone(), gpu.clone(), buffer.clone());
            let counted = Counted { bytes: Arc::clone(&self.bytes), size: buffer.size() };
            buffer.map_async(MapMode::Read, ..total, move |result| {
                let result = result.map_err(|error| gpu.failed(error));
                let taken = result.and_then(|()| gpu.guarded(|| unmap(&gpu, &mapped, total, take)));
                if taken.is_ok() {
                    readback.idle().push(mapped);
                    counted.keep();
                }
                done(taken);
            });
            Ok(submission)
        })
    }

    /// Bytes of its buffers.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Buffer>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An idle buffer with room for so many bytes, or a new one in the place of those that are too
    /// small.
    fn take(&self, gpu: &Gpu, bytes: u64) -> Buffer {
        let mut idle = self.idle();
        match idle.iter().position(|buffer| buffer.size() >= bytes) {
            Some(place) => idle.swap_remove(place),
            None => {
                let given_up: u64 = idle.drain(..).map(|buffer| buffer.size()).sum();
                self.bytes.fetch_sub(given_up, Ordering::Relaxed);
                let size = room(bytes).min(gpu.limits().max_buffer_size).max(bytes);
                self.bytes.fetch_add(size, Ordering::Relaxed);
                gpu.create_buffer(&wgpu::BufferDescriptor {
                    label: Some(&gpu.label("minibatch.readback")),
                    size,
                    usage: BufferUsages::MAP_READ | BufferUsages::COPY_DST,
                    mapped_at_creation: false,
                })
            }
        }
    }
}

/// What `take` makes of the first bytes of a mapped buffer, which is unmapped.
fn unmap<T>(gpu: &Gpu, buffer: &Buffer, bytes: u64, take: impl FnOnce(&[u8]) -> T) -> Result<T> {
    let taken = buffer.get_mapped_range(..bytes).map(|view| take(&view));
    buffer.unmap();
    taken.map_err(|error| gpu.failed(error))
}
