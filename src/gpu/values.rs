//! Reading and writing what the buffers hold, and what metrics have added up to.

use std::sync::Arc;

use half::f16;

use super::dispatches::encoder;
use super::executor::GpuExecutor;
use crate::error::{Error, Result};
use crate::number::Real;
use crate::program::{Buffer, BufferId, Element, Metrics, Reals, Role, Rows};

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

    fn source(&self, id: BufferId, bytes: u64) -> Result<(wgpu::Buffer, u64, u64)> {
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
        let buffer = self.program.buffer(id);
        let row_bytes = buffer.stride() * buffer.element_bytes();
        let mut bytes = vec![0u8; buffer.bytes(rows) as usize];
        let rows = bytes.chunks_exact_mut(row_bytes).zip(values.chunks_exact(buffer.columns));
        for (to, from) in rows {
            for (to, &value) in to.chunks_exact_mut(buffer.element_bytes()).zip(from) {
                match (buffer.element, buffer.reals) {
                    (Element::Real, Reals::Full) => {
                        to.copy_from_slice(&(value as f32).to_ne_bytes());
                    }
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
        }
        self.write_raw(id, &bytes)
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

    /// What the steps since the last [`clear_metrics`](Self::clear_metrics) have added up to.
    /// Waits for them.
    ///
    /// # Errors
    /// [`Error::Device`] if the device is lost.
    pub async fn read_metrics(&mut self) -> Result<Metrics> {
        self.submit_gathered().await?;
        let program = Arc::clone(&self.program);
        let regions: Vec<_> = program
            .of_role(Role::Metric)
            .map(|(id, buffer)| (id, buffer.bytes(self.table.capacity())))
            .collect();
        if regions.is_empty() {
            return Ok(Metrics::default());
        }
        let metrics = regions.iter().map(|&(id, bytes)| self.source(id, bytes));
        let mut sources = metrics.collect::<Result<Vec<_>>>()?;
        let recorded = self.has_recorded();
        if recorded {
            sources.push(self.upload.ledger());
        }
        let bytes = self.readback.read(&self.gpu, &sources)?.wait().await?;
        let own: u64 = regions.iter().map(|(_, bytes)| bytes).sum();
        let (mut rest, ledger) = bytes.split_at((own as usize).min(bytes.len()));
        if recorded {
            self.upload.settle(ledger);
        }
        let mut sizes = regions.iter().map(|(_, size)| *size as usize);
        Metrics::gather(&program, |_, buffer| {
            let (own, others) = rest.split_at(sizes.next().unwrap_or(0).min(rest.len()));
            rest = others;
            Ok(numbers(buffer, own))
        })
    }

    /// Sets all metrics to 0, after the steps submitted before.
    ///
    /// # Errors
    /// [`Error::Device`] if the device is lost.
    pub fn clear_metrics(&mut self) -> Result<()> {
        self.submit_gathered_now()?;
        self.gpu.guarded(|| {
            let mut encoder = encoder(&self.gpu, "minibatch.clear");
            for (id, _) in self.program.of_role(Role::Metric) {
                let (buffer, offset) = self.table.locate(id)?;
                encoder.clear_buffer(buffer, offset, Some(self.table.byte_size(id)));
            }
            self.gpu.queue.submit([encoder.finish()]);
            Ok(())
        })?;
        self.upload.ring().clear();
        Ok(())
    }
}

/// `sources` in order, cut into slices of at most `most` bytes each; one that is larger by itself.
fn within(
    most: u64,
    sources: &[(wgpu::Buffer, u64, u64)],
) -> impl Iterator<Item = &[(wgpu::Buffer, u64, u64)]> {
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
fn numbers(buffer: &Buffer, bytes: &[u8]) -> Vec<f64> {
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
