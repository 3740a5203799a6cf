//! When each kernel of a step begins and ends, by the device's own clock.

use wgpu::{
    Buffer, BufferUsages, CommandEncoder, ComputePassTimestampWrites, QuerySet, QuerySetDescriptor,
    QueryType,
};

use super::device::Gpu;
use super::readback::Readback;
use crate::error::Result;
use crate::profile::{DeviceTrack, Profile};

/// Kernels of a step that are timed at most: each takes two of the queries that a set may have.
const MOST_KERNELS: u32 = wgpu::QUERY_SET_MAX_QUERIES / 2;

/// Bytes of a timestamp.
const TICKS: u64 = 8;

/// Queries for the kernels of one step, and where they are recorded.
pub(super) struct Timestamps {
    track: DeviceTrack,
    queries: QuerySet,
    resolved: Buffer,
    readback: Readback,
}

impl Timestamps {
    /// `None` if nothing is to be recorded, or the device was made without timestamp queries.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) if the device refuses the queries.
    pub(super) fn new(gpu: &Gpu, profile: &Profile) -> Result<Option<Self>> {
        if !profile.is_on() || !gpu.has_timestamps() {
            return Ok(None);
        }
        let period = f64::from(gpu.queue.get_timestamp_period());
        let Some(track) = profile.device(&gpu.info().name, period) else {
            return Ok(None);
        };
        gpu.guarded(|| {
            let queries = gpu.device.create_query_set(&QuerySetDescriptor {
                label: Some(&gpu.label("minibatch.timestamps")),
                ty: QueryType::Timestamp,
                count: 2 * MOST_KERNELS,
            });
            let resolved = gpu.create_buffer(&wgpu::BufferDescriptor {
                label: Some(&gpu.label("minibatch.timestamps")),
                size: u64::from(2 * MOST_KERNELS) * TICKS,
                usage: BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC,
                mapped_at_creation: false,
            });
            Ok(Some(Timestamps { track, queries, resolved, readback: Readback::default() }))
        })
    }

    /// What a pass that holds the step's kernel `number` alone writes; `None` beyond the last that
    /// is timed.
    pub(super) fn writes(&self, number: usize) -> Option<ComputePassTimestampWrites<'_>> {
        let first = u32::try_from(number).ok().filter(|&number| number < MOST_KERNELS)? * 2;
        Some(ComputePassTimestampWrites {
            query_set: &self.queries,
            beginning_of_pass_write_index: Some(first),
            end_of_pass_write_index: Some(first + 1),
        })
    }

    /// Bytes of its buffers.
    pub(super) fn bytes(&self) -> u64 {
        self.resolved.size() + self.readback.bytes()
    }

    /// Ends a step of so many kernels.
    pub(super) fn resolve(&self, encoder: &mut CommandEncoder, kernels: usize) {
        encoder.resolve_query_set(&self.queries, 0..queries(kernels), &self.resolved, 0);
    }

    /// Reads what a step has written that was just submitted; its kernels have these names. Waits
    /// for nothing: they are recorded when the device has run them.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) if the device fails.
    pub(super) fn read(&self, gpu: &Gpu, names: Vec<&'static str>) -> Result<()> {
        let (track, submitted) = (self.track.clone(), self.track.now());
        let bytes = u64::from(queries(names.len())) * TICKS;
        if bytes == 0 {
            return Ok(());
        }
        let sources = [(self.resolved.clone(), 0, bytes)];
        self.readback.read_then(gpu, &sources, move |bytes| {
            // A device that fails is an error of the next step.
            let bytes = bytes.unwrap_or_default();
            let ticks: Vec<u64> =
                bytes.chunks_exact(TICKS as usize).map(bytemuck::pod_read_unaligned).collect();
            let kernels = names.into_iter().zip(ticks.chunks_exact(2));
            track.record(
                submitted,
                kernels.filter_map(|(name, ticks)| match ticks {
                    &[begin, end] => Some((name, begin, end)),
                    _ => None,
                }),
            );
        })?;
        Ok(())
    }
}

/// Queries of a step of so many kernels.
fn queries(kernels: usize) -> u32 {
    u32::try_from(kernels).map_or(MOST_KERNELS, |kernels| kernels.min(MOST_KERNELS)) * 2
}
