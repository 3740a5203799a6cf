//! Reading results back: copied to one mappable buffer, which grows and is reused.

use futures_intrusive::channel::shared::oneshot_channel;
use wgpu::{Buffer, BufferUsages, MapMode};

use super::device::Gpu;
use crate::error::{Error, Result};

#[derive(Default)]
pub(super) struct Readback {
    buffer: Option<Buffer>,
}

impl Readback {
    /// Copies `sources`, each `(buffer, offset, bytes)`, and waits: the bytes of all of them, one
    /// after the other.
    pub async fn read(&mut self, gpu: &Gpu, sources: &[(Buffer, u64, u64)]) -> Result<Vec<u8>> {
        let total: u64 = sources.iter().map(|(_, _, bytes)| bytes).sum();
        let buffer = self.reserve(gpu, total).await?;
        let (sender, receiver) = oneshot_channel();
        let submission = gpu.guarded(|| {
            let descriptor = wgpu::CommandEncoderDescriptor { label: Some("minibatch.read") };
            let mut encoder = gpu.device.create_command_encoder(&descriptor);
            let mut end = 0;
            for (source, offset, bytes) in sources {
                encoder.copy_buffer_to_buffer(source, *offset, &buffer, end, *bytes);
                end += bytes;
            }
            let submission = gpu.queue.submit([encoder.finish()]);
            buffer.map_async(MapMode::Read, ..total, move |result| {
                // A receiver that is gone wants no answer.
                let _ = sender.send(result);
            });
            Ok(submission)
        })?;
        gpu.wait(Some(submission))?;
        match receiver.receive().await {
            Some(Ok(())) => {}
            Some(Err(error)) => return Err(Error::Device(error.to_string())),
            None => return Err(Error::Device("a read was cancelled".into())),
        }
        let bytes = buffer
            .get_mapped_range(..total)
            .map(|view| view.to_vec())
            .map_err(|error| Error::Device(error.to_string()));
        buffer.unmap();
        bytes
    }

    async fn reserve(&mut self, gpu: &Gpu, bytes: u64) -> Result<Buffer> {
        match &self.buffer {
            Some(buffer) if buffer.size() >= bytes => Ok(buffer.clone()),
            _ => {
                let most = gpu.limits().max_buffer_size;
                let made = gpu
                    .scoped(|| {
                        Ok(gpu.device.create_buffer(&wgpu::BufferDescriptor {
                            label: Some("minibatch.readback"),
                            size: bytes.next_power_of_two().min(most).max(bytes),
                            usage: BufferUsages::MAP_READ | BufferUsages::COPY_DST,
                            mapped_at_creation: false,
                        }))
                    })
                    .await?;
                self.buffer = Some(made.clone());
                Ok(made)
            }
        }
    }
}
