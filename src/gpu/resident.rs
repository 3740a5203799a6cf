//! The rows of a set that stay on the device, from which each step gathers its own.

use std::sync::Arc;

use wgpu::BufferUsages;

use super::device::Gpu;
use super::feed::{row_bytes, store_row};
use super::labels::encoder;
use super::slots::Slots;
use super::staging::{Ring, Slot};
use crate::error::{Error, Result};
use crate::program::Buffer;

/// Bytes that are on their way to the device at a time.
const CHUNK: u64 = 1 << 20;

/// One column of a set of samples, uploaded once, in the layout of the program's buffer that it is
/// for: bytes stay bytes, and each row is padded to a multiple of four values. Clones share it.
///
/// Where the device binds less than all of it, it lies in several buffers, each of whole rows.
#[derive(Clone)]
pub struct Resident {
    inner: Arc<Inner>,
}

struct Inner {
    pieces: Vec<Piece>,
    rows: u32,
    row_bytes: u64,
}

/// Some rows, one after the other.
pub(super) struct Piece {
    pub buffer: wgpu::Buffer,
    /// The number of the first one.
    pub from_row: u32,
    pub rows: u32,
}

impl std::fmt::Debug for Resident {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Inner { pieces, rows, row_bytes } = &*self.inner;
        f.debug_struct("Resident")
            .field("rows", rows)
            .field("row_bytes", row_bytes)
            .field("pieces", &pieces.len())
            .finish()
    }
}

impl Resident {
    /// Uploads `count` rows for the program's buffer `described`, each as
    /// [`Column::push`](crate::program::Column::push) takes it. They go to the device a
    /// megabyte at a time, so that no second copy of all of them is made.
    ///
    /// # Errors
    /// [`Error::Argument`] if there is no row, another number of them comes, or the device cannot
    /// bind a single one; [`Error::Shape`] for a row of another size; those of `rows`;
    /// [`Error::Device`] if the device fails or has no such memory.
    #[cfg_attr(
        target_arch = "wasm32",
        expect(clippy::arc_with_non_send_sync, reason = "natively it goes to other threads")
    )]
    pub async fn upload<'a>(
        gpu: &Gpu,
        described: &Buffer,
        count: usize,
        rows: impl IntoIterator<Item = Result<&'a [u8]>>,
    ) -> Result<Self> {
        let bytes = row_bytes(described);
        let pieces = pieces(gpu, described, count)?;
        let pieces = gpu
            .scoped(|| {
                Ok(pieces.into_iter().map(|piece| piece.make(gpu, bytes)).collect::<Vec<_>>())
            })
            .await?;
        let mut rows = rows.into_iter();
        let in_chunk = (CHUNK / bytes).clamp(1, count as u64);
        let mut ring =
            gpu.scoped(|| Ok(Ring::new(gpu, in_chunk * bytes, Slots::new(None)))).await?;
        let mut filled = 0;
        for piece in &pieces {
            let mut first = 0;
            while first < u64::from(piece.rows) {
                let chunk = in_chunk.min(u64::from(piece.rows) - first);
                ring.ready(gpu).await?;
                let slot = ring.lend(gpu)?;
                fill(gpu, &slot, described, &mut rows, [filled, chunk as usize, count])?;
                gpu.guarded(|| {
                    let mut encoder = encoder(gpu, "minibatch.resident");
                    let (from, to) = (&slot.buffer, &piece.buffer);
                    encoder.copy_buffer_to_buffer(from, 0, to, first * bytes, chunk * bytes);
                    slot.return_after(&encoder);
                    let submission = gpu.queue.submit([encoder.finish()]);
                    ring.submitted(ring.place(&slot).unwrap_or_default(), submission);
                    Ok(())
                })?;
                first += chunk;
                filled += chunk as usize;
            }
        }
        if rows.next().is_some() {
            return Err(Error::argument("rows", format!("are more than the {count} announced")));
        }
        gpu.check()?;
        Ok(Resident { inner: Arc::new(Inner { pieces, rows: count as u32, row_bytes: bytes }) })
    }

    /// Bytes that so many rows of `described` would take on a device.
    pub fn bytes_of(described: &Buffer, rows: usize) -> u64 {
        row_bytes(described).saturating_mul(rows as u64)
    }

    /// Number of rows.
    pub fn rows(&self) -> u32 {
        self.inner.rows
    }

    /// Bytes that it takes on the device.
    pub fn bytes(&self) -> u64 {
        u64::from(self.inner.rows) * self.inner.row_bytes
    }

    /// Bytes from one row to the next.
    pub(super) fn row_bytes(&self) -> u64 {
        self.inner.row_bytes
    }

    pub(super) fn pieces(&self) -> &[Piece] {
        &self.inner.pieces
    }
}

/// A piece that has no memory yet.
struct Planned {
    from_row: u32,
    rows: u32,
}

impl Planned {
    fn make(self, gpu: &Gpu, row_bytes: u64) -> Piece {
        let Planned { from_row, rows } = self;
        let buffer = gpu.create_buffer(&wgpu::BufferDescriptor {
            label: Some(&gpu.label("minibatch.resident")),
            size: u64::from(rows) * row_bytes,
            usage: BufferUsages::STORAGE | BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        Piece { buffer, from_row, rows }
    }
}

/// How `count` rows are shared out over buffers that the device can bind.
fn pieces(gpu: &Gpu, described: &Buffer, count: usize) -> Result<Vec<Planned>> {
    let limits = gpu.limits();
    let most = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
    let bytes = row_bytes(described);
    let in_piece = u32::try_from(most / bytes).unwrap_or(u32::MAX);
    let name = &described.name;
    if in_piece == 0 {
        let problem =
            format!("of {name} take {bytes} bytes each; this device binds at most {most}");
        return Err(Error::argument("rows", problem));
    }
    let Some(count) = u32::try_from(count).ok().filter(|&count| count > 0) else {
        let problem = format!("of {name} are {count}; give 1 to {}", u32::MAX);
        return Err(Error::argument("rows", problem));
    };
    let firsts = (0..count).step_by(in_piece as usize);
    Ok(firsts.map(|from_row| Planned { from_row, rows: in_piece.min(count - from_row) }).collect())
}

/// Writes the next `chunk` of `count` rows to a slot, of which `filled` have been written before, and
/// unmaps it.
fn fill<'a>(
    gpu: &Gpu,
    slot: &Slot,
    described: &Buffer,
    rows: &mut impl Iterator<Item = Result<&'a [u8]>>,
    [filled, chunk, count]: [usize; 3],
) -> Result<()> {
    let bytes = row_bytes(described) as usize;
    let mut view = slot.buffer.get_mapped_range_mut(..).map_err(|error| gpu.failed(error))?;
    for number in 0..chunk {
        let row = match rows.next() {
            Some(row) => row?,
            None => return described.check_filled(filled + number, count),
        };
        described.check_row(row.len(), 0, 1)?;
        let mut memory = view.slice(number * bytes..(number + 1) * bytes);
        store_row(&mut memory, described, row);
    }
    drop(view);
    slot.buffer.unmap();
    Ok(())
}
