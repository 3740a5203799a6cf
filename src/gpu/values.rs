//! Reading and writing what the buffers hold.

use half::f16;

use super::executor::GpuExecutor;
use super::labels::encoder;
use super::readback::Source;
use crate::error::{Error, Result};
use crate::number::Real;
use crate::program::{Buffer, BufferId, Element, Reals, Rows};

impl GpuExecutor {
    /// The values of `id`, `[rows, columns]` without padding; `live_rows` rows of a batch. Waits.
    ///
    /// # Errors
    /// [`Error::Device`] if the device is lost, [`Error::Argument`] if the buffer is unused here, or if
    /// a fused step did not keep it.
    pub async fn read(&mut self, id: BufferId, live_rows: usize) -> Result<Vec<f64>> {
        self.kept.check(&self.program, id)?;
        let raw = self.read_raw(id, live_rows).await?;
        Ok(without_padding(self.program.buffer(id), &raw, live_rows))
    }

    /// The values of buffers that do not depend on a batch, each as [`read`](Self::read) gives them, all
    /// of the same moment, and how many [recorded](Self::record) steps had not run by then. What the
    /// host submits while this waits comes after that moment.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn read_together(&mut self, ids: &[BufferId]) -> Result<(Vec<Vec<f64>>, u64)> {
        self.submit_gathered().await?;
        let recorded = self.has_recorded();
        let mut sources = if recorded { vec![self.upload.ledger()] } else { Vec::new() };
        for &id in ids {
            sources.push(self.source(id, self.program.buffer(id).bytes(0))?);
        }
        // Where one buffer cannot take all, there are several copies, with no wait between them.
        let most = self.gpu.limits().max_buffer_size;
        let mut started = Vec::new();
        for some in within(most, &sources) {
            started.push((some, self.readback.read(&self.gpu, some)?));
        }
        let mut arrived = Vec::with_capacity(started.len());
        for (some, read) in started {
            arrived.push((some, read.wait().await?));
        }
        let mut pieces = arrived.iter().flat_map(|(sources, bytes)| {
            let mut rest = bytes.as_slice();
            sources.iter().map(move |(_, _, size)| {
                let (own, others) = rest.split_at((*size as usize).min(rest.len()));
                rest = others;
                own
            })
        });
        let ledger = if recorded { pieces.next() } else { None };
        let not_run = ledger.map_or(0, |ledger| self.upload.settle(ledger));
        let described = ids.iter().map(|&id| self.program.buffer(id));
        let values = described.zip(pieces).map(|(buffer, own)| without_padding(buffer, own, 0));
        let values = values.collect();
        Ok((values, not_run))
    }

    /// The bytes of `id` as they lie on the device, padding included; room for `rows` rows of a
    /// batch, at most the capacity.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn read_raw(&mut self, id: BufferId, rows: usize) -> Result<Vec<u8>> {
        self.submit_gathered().await?;
        let capacity = self.table.capacity();
        let bytes = self.program.buffer(id).bytes(rows.min(capacity));
        let sources = [self.source(id, bytes)?];
        self.readback.read(&self.gpu, &sources)?.wait().await
    }

    fn source(&self, id: BufferId, bytes: u64) -> Result<Source> {
        let (buffer, offset) = self.table.locate(id)?;
        Ok((buffer.clone(), offset, bytes))
    }

    /// Sets the values of `id`, `[rows, columns]` without padding.
    ///
    /// # Errors
    /// [`Error::Shape`] if the number of values does not fit.
    pub async fn write(&mut self, id: BufferId, values: &[f64]) -> Result<()> {
        let rows = self.program.buffer(id).check_values(values.len())?;
        if self.program.buffer(id).rows == Rows::Batch {
            self.reserve(rows).await?;
        }
        let bytes = stored(self.program.buffer(id), rows, values.iter().copied());
        self.write_raw(id, &bytes)
    }

    /// Sets the values of buffers that do not depend on a batch, each `[rows, columns]` without padding:
    /// all of them at one moment, or none if this fails.
    ///
    /// # Errors
    /// [`Error::Shape`] if a number of values does not fit, [`Error::Device`] if the device is lost or
    /// has no memory to bring them there.
    pub async fn write_together(&mut self, values: &[(BufferId, &[f32])]) -> Result<()> {
        for (id, values) in values {
            self.program.buffer(*id).check_values(values.len())?;
        }
        self.submit_gathered_now()?;
        let Self { gpu, program, table, .. } = self;
        let most = gpu.limits().max_buffer_size / wgpu::COPY_BUFFER_ALIGNMENT;
        let most =
            most.saturating_mul(wgpu::COPY_BUFFER_ALIGNMENT).max(wgpu::COPY_BUFFER_ALIGNMENT);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        gpu.guarded(|| {
            let mut encoder = encoder(gpu, "minibatch.write");
            for &(id, values) in values {
                let buffer = program.buffer(id);
                let rows = buffer.check_values(values.len())?;
                let bytes = stored(buffer, rows, values.iter().map(|&value| f64::from(value)));
                let (to, mut offset) = table.locate(id)?;
                for bytes in bytes.chunks(most) {
                    let size = bytes.len() as u64;
                    let from = gpu.create_buffer(&wgpu::BufferDescriptor {
                        label: Some(&gpu.label("minibatch.write")),
                        size,
                        usage: wgpu::BufferUsages::COPY_SRC,
                        mapped_at_creation: true,
                    });
                    let mut view =
                        from.get_mapped_range_mut(..).map_err(|error| gpu.failed(error))?;
                    view.slice(..).copy_from_slice(bytes);
                    drop(view);
                    from.unmap();
                    encoder.copy_buffer_to_buffer(&from, 0, to, offset, size);
                    offset += size;
                }
            }
            gpu.queue.submit([encoder.finish()]);
            Ok(())
        })?;
        // A lost device takes them without a word.
        gpu.check_alive()
    }

    /// Overwrites the first bytes of `id` as they lie on the device; a multiple of four.
    ///
    /// # Errors
    /// [`Error::Argument`] if they do not fit, [`Error::Device`] if the device is lost.
    pub fn write_raw(&mut self, id: BufferId, bytes: &[u8]) -> Result<()> {
        let room = self.table.byte_size(id);
        if bytes.len() as u64 > room || !bytes.len().is_multiple_of(4) {
            return Err(Error::argument(
                "bytes",
                format!("{} bytes for a buffer of {room}; give a multiple of 4", bytes.len()),
            ));
        }
        self.submit_gathered_now()?;
        let (buffer, offset) = self.table.locate(id)?;
        self.gpu.guarded(|| {
            // Its order against steps is that of the calls: each step is submitted by its own.
            self.gpu.queue.write_buffer(buffer, offset, bytes);
            Ok(())
        })?;
        // A lost device takes the bytes without a word.
        self.gpu.check_alive()
    }
}

/// The bytes of `values`, `[rows, columns]`, as they lie on the device.
fn stored(buffer: &Buffer, rows: usize, values: impl Iterator<Item = f64>) -> Vec<u8> {
    let element = buffer.element_bytes();
    let mut bytes = vec![0u8; buffer.bytes(rows) as usize];
    let rows = bytes.chunks_exact_mut(buffer.stride() * element);
    let places = rows.flat_map(|row| row.chunks_exact_mut(element).take(buffer.columns));
    for (to, value) in places.zip(values) {
        match (buffer.element, buffer.reals) {
            (Element::Real, Reals::Full) => to.copy_from_slice(&(value as f32).to_ne_bytes()),
            (Element::Real, Reals::Half) => {
                let half = f16::from_f32(value.rounded_to_half() as f32);
                to.copy_from_slice(&half.to_ne_bytes());
            }
            (Element::U32 | Element::Sparse { .. }, _) => {
                to.copy_from_slice(&(value as u32).to_ne_bytes());
            }
            (Element::U8, _) => to.copy_from_slice(&[value as u8]),
        }
    }
    bytes
}

/// `sources` in order, cut into slices of at most `most` bytes each; one that is larger by itself.
fn within(most: u64, sources: &[Source]) -> impl Iterator<Item = &[Source]> {
    let mut bytes = 0;
    sources.chunk_by(move |(_, _, before), (_, _, next)| {
        bytes += before;
        let fits = bytes.saturating_add(*next) <= most;
        if !fits {
            bytes = 0;
        }
        fits
    })
}

/// The values of a buffer that lies in `bytes`, `[rows, columns]`.
fn without_padding(buffer: &Buffer, bytes: &[u8], live_rows: usize) -> Vec<f64> {
    let values = numbers(buffer, bytes);
    let rows = values.chunks(buffer.stride()).take(buffer.live_rows(live_rows));
    rows.flat_map(|row| &row[..buffer.columns]).copied().collect()
}

/// The elements of `buffer` that `bytes` hold.
pub(super) fn numbers(buffer: &Buffer, bytes: &[u8]) -> Vec<f64> {
    let words = bytes.chunks_exact(4).map(bytemuck::pod_read_unaligned::<u32>);
    match (buffer.element, buffer.reals) {
        (Element::Real, Reals::Full) => words.map(|word| f64::from(f32::from_bits(word))).collect(),
        (Element::Real, Reals::Half) => {
            let halves = bytes.chunks_exact(2).map(bytemuck::pod_read_unaligned::<u16>);
            halves.map(|bits| f16::from_bits(bits).to_f64()).collect()
        }
        (Element::U32 | Element::Sparse { .. }, _) => words.map(f64::from).collect(),
        (Element::U8, _) => bytes.iter().map(|&byte| f64::from(byte)).collect(),
    }
}
