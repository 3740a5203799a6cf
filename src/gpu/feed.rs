//! What a step reads: rows in an upload slot, or a region of a buffer on the device.

use std::sync::Arc;

use wgpu::{BufferUsages, BufferViewMut, WriteOnly};

use super::staging::{Rows, Slot};
use crate::error::{Error, Result};
use crate::program::{Buffer, BufferId, Column, Element, Feed, Program, Reals, Role};

/// What lies where in a slot.
pub(super) struct Layout {
    program: Arc<Program>,
    /// In the order in which they lie.
    regions: Vec<Region>,
    /// Bytes of a slot.
    pub size: u64,
}

/// A buffer's place in a slot.
struct Region {
    id: BufferId,
    start: u64,
    end: u64,
    row_bytes: u64,
}

impl Layout {
    /// For up to `capacity` rows, after `header` bytes; in slots of `least` bytes at least.
    pub(super) fn new(program: Arc<Program>, capacity: usize, header: u64, least: u64) -> Self {
        let mut end = header;
        let mut regions = Vec::new();
        for role in [Role::SampleWeight, Role::Target, Role::Input] {
            for (id, buffer) in program.of_role(role) {
                let start = end.checked_next_multiple_of(wgpu::MAP_ALIGNMENT).unwrap_or(end);
                end = start.saturating_add(buffer.bytes(capacity));
                regions.push(Region { id, start, end, row_bytes: row_bytes(buffer) });
            }
        }
        let size = end.checked_next_multiple_of(wgpu::COPY_BUFFER_ALIGNMENT).unwrap_or(end);
        let size = size.max(least);
        Layout { program, regions, size }
    }
}

/// Bytes from one row to the next on the device.
pub(super) fn row_bytes(buffer: &Buffer) -> u64 {
    buffer.bytes(1)
}

/// Memory for the rows of one step of a [`GpuExecutor`](super::GpuExecutor), mapped from the
/// device: what is written is copied once more, on the device, by the step itself.
pub struct GpuFeed {
    slot: Arc<Slot>,
    /// `None` once it is on its way to the device.
    view: Option<BufferViewMut>,
    layout: Arc<Layout>,
    rows: usize,
    columns: Vec<Rows>,
}

impl std::fmt::Debug for GpuFeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GpuFeed").field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl GpuFeed {
    /// A lent slot for `rows` rows.
    pub(super) fn new(
        slot: Arc<Slot>,
        view: BufferViewMut,
        layout: Arc<Layout>,
        rows: usize,
    ) -> Self {
        let mut columns = slot.take_columns();
        columns.clear();
        columns.resize(layout.regions.len(), Rows::Written(0));
        GpuFeed { slot, view: Some(view), layout, rows, columns }
    }

    /// Takes the rows of buffer `id` from `buffer` on the device, from byte `offset` on: as many
    /// rows as the feed has, one after the other without padding, as the buffer's elements are
    /// stored (`u8`, `u32` or `f32`, and `f16` where the model stores its inputs so; sparse rows as [`Element::Sparse`] says). The copy is a command of the step's own encoder, before its
    /// pass: commands that the host has recorded there before it, or has submitted before, have
    /// written the buffer by then.
    ///
    /// # Errors
    /// [`Error::Argument`] if the host does not fill buffer `id`, if `buffer` lacks the usage
    /// `COPY_SRC`, is too small, or if a row does not begin at a multiple of four bytes.
    pub fn copy_from(&mut self, id: BufferId, buffer: &wgpu::Buffer, offset: u64) -> Result<()> {
        let place = self.layout.regions.iter().position(|region| region.id == id);
        let column = place.and_then(|place| self.columns.get_mut(place)).ok_or_else(|| {
            Error::argument("feed", "has no such column; give a buffer that the host fills")
        })?;
        let described = self.layout.program.buffer(id);
        let row = described.stored_row_bytes() as u64;
        let refused = |problem: String| Err(Error::argument("buffer", problem));
        if !buffer.usage().contains(BufferUsages::COPY_SRC) {
            return refused("cannot be copied from; create it with BufferUsages::COPY_SRC".into());
        }
        let aligned = wgpu::COPY_BUFFER_ALIGNMENT;
        if !offset.is_multiple_of(aligned) || !row.is_multiple_of(aligned) {
            let problem = format!(
                "gives rows of {row} bytes from byte {offset} on; both must be multiples of \
                 {aligned}"
            );
            return refused(problem);
        }
        let end = row.checked_mul(self.rows as u64).and_then(|bytes| bytes.checked_add(offset));
        if end.is_none_or(|end| end > buffer.size()) {
            let (size, rows, name) = (buffer.size(), self.rows, &described.name);
            let problem = format!(
                "holds {size} bytes; {rows} rows of {row} bytes from byte {offset} on are more \
                 ({name})"
            );
            return refused(problem);
        }
        *column = Rows::Region(buffer.clone(), offset);
        Ok(())
    }

    /// Takes the step to have `rows` rows, if that is fewer than before. Do so before rows are
    /// pushed.
    pub fn truncate(&mut self, rows: usize) {
        self.rows = self.rows.min(rows);
    }

    pub(super) fn is_of(&self, layout: &Arc<Layout>) -> bool {
        Arc::ptr_eq(&self.layout, layout)
    }

    pub(super) fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }

    /// Each buffer, and where its rows come from.
    pub(super) fn filled(&self) -> impl Iterator<Item = (BufferId, &Buffer, &Rows)> {
        let regions = self.layout.regions.iter().zip(&self.columns);
        regions.map(|(region, rows)| (region.id, self.layout.program.buffer(region.id), rows))
    }

    /// Writes the slot's header and unmaps the slot.
    pub(super) fn seal(&mut self, header: &[&[u8]]) {
        if let Some(mut view) = self.view.take() {
            let mut start = 0;
            for bytes in header {
                view.slice(start..start + bytes.len()).copy_from_slice(bytes);
                start += bytes.len();
            }
            drop(view);
            self.slot.buffer.unmap();
        }
    }

    /// Records the copies of what `wanted` says: `to` locates a buffer of the program.
    pub(super) fn copy<'a>(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        wanted: impl Fn(Role) -> bool,
        to: impl Fn(BufferId) -> Result<(&'a wgpu::Buffer, u64)>,
    ) -> Result<()> {
        let rows = self.rows as u64;
        for (region, from) in self.layout.regions.iter().zip(&self.columns) {
            let described = self.layout.program.buffer(region.id);
            if !wanted(described.role) {
                continue;
            }
            let (to, offset) = to(region.id)?;
            let row = described.stored_row_bytes() as u64;
            match from {
                Rows::Written(_) => {
                    let from = &self.slot.buffer;
                    let bytes = region.row_bytes * rows;
                    encoder.copy_buffer_to_buffer(from, region.start, to, offset, bytes);
                }
                Rows::Region(from, start) if row == region.row_bytes => {
                    encoder.copy_buffer_to_buffer(from, *start, to, offset, row * rows);
                }
                Rows::Region(from, start) => {
                    // The rows on the device are padded.
                    for number in 0..rows {
                        let (start, end) =
                            (start + number * row, offset + number * region.row_bytes);
                        encoder.copy_buffer_to_buffer(from, start, to, end, row);
                    }
                }
            }
        }
        Ok(())
    }
}

impl Drop for GpuFeed {
    fn drop(&mut self) {
        // The slot must not be lent again while it is still viewed.
        let mapped = self.view.take().is_some();
        // A host's buffer is not kept alive until the slot is lent again.
        self.columns.clear();
        self.slot.give_back(mapped, std::mem::take(&mut self.columns));
    }
}

impl Feed for GpuFeed {
    type Column<'a> = GpuColumn<'a>;

    fn rows(&self) -> usize {
        self.rows
    }

    fn columns(&mut self) -> impl Iterator<Item = (BufferId, GpuColumn<'_>)> {
        let (rows, program) = (self.rows, &self.layout.program);
        let mut rest = self.view.as_mut().map(|view| view.slice(..));
        let mut start = 0;
        self.layout.regions.iter().zip(&mut self.columns).filter_map(move |(region, filled)| {
            let (_, from) = rest.take()?.split_at((region.start - start) as usize);
            let (memory, others) = from.split_at((region.end - region.start) as usize);
            (start, rest) = (region.end, Some(others));
            let buffer = program.buffer(region.id);
            let memory = Memory(memory);
            let row_bytes = region.row_bytes as usize;
            Some((
                region.id,
                GpuColumn { memory, row_bytes, used: buffer.row_bytes(), buffer, rows, filled },
            ))
        })
    }
}

/// Writes `row`, as the host gives it, to its memory on the device, and zeros behind it.
#[inline]
pub(super) fn store_row(memory: &mut WriteOnly<'_, [u8]>, buffer: &Buffer, row: &[u8]) {
    let used = buffer.stored_row_bytes();
    if used < memory.len() {
        memory.slice(used..).fill(0);
    }
    match (buffer.element, buffer.reals) {
        (Element::Real, Reals::Half) => each_half(row, |place, bytes| {
            memory.slice(place..place + bytes.len()).copy_from_slice(bytes);
        }),
        (Element::Real, Reals::Full) | (Element::U8 | Element::U32 | Element::Sparse { .. }, _) => {
            memory.slice(..used).copy_from_slice(row);
        }
    }
}

/// The f32 of `row` as f16, some at a time: the place of the first byte, and the bytes.
pub(super) fn each_half(row: &[u8], mut put: impl FnMut(usize, &[u8])) {
    const AT_A_TIME: usize = 32;
    for (number, values) in row.chunks(4 * AT_A_TIME).enumerate() {
        let mut bytes = [0; 2 * AT_A_TIME];
        for (to, from) in bytes.chunks_exact_mut(2).zip(values.chunks_exact(4)) {
            let half = half::f16::from_f32(bytemuck::pod_read_unaligned(from));
            to.copy_from_slice(&half.to_ne_bytes());
        }
        put(number * 2 * AT_A_TIME, bytes.get(..values.len() / 2).unwrap_or_default());
    }
}

/// Mapped memory that is only written.
struct Memory<'a>(WriteOnly<'a, [u8]>);

// SAFETY: it is an exclusive reference to bytes, which may go to another thread as `&mut [u8]` may;
// wgpu says so of sized types only.
unsafe impl Send for Memory<'_> {}

/// The rows of one buffer in a [`GpuFeed`].
pub struct GpuColumn<'a> {
    memory: Memory<'a>,
    /// Bytes from one row to the next.
    row_bytes: usize,
    /// Bytes of a row without padding.
    used: usize,
    buffer: &'a Buffer,
    rows: usize,
    filled: &'a mut Rows,
}

impl std::fmt::Debug for GpuColumn<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GpuColumn").field("buffer", &self.buffer.name).finish_non_exhaustive()
    }
}

impl Column for GpuColumn<'_> {
    #[inline]
    fn push(&mut self, row: &[u8]) -> Result<()> {
        let Rows::Written(filled) = &mut *self.filled else {
            return Err(lies_on_the_device(self.buffer));
        };
        if row.len() != self.used || *filled >= self.rows {
            return self.buffer.check_row(row.len(), *filled, self.rows);
        }
        let start = *filled * self.row_bytes;
        *filled += 1;
        let mut memory = self.memory.0.slice(start..start + self.row_bytes);
        store_row(&mut memory, self.buffer, row);
        Ok(())
    }

    fn push_sparse(&mut self, columns: &[u32], values: &[f32]) -> Result<()> {
        let Rows::Written(filled) = &mut *self.filled else {
            return Err(lies_on_the_device(self.buffer));
        };
        self.buffer.check_sparse_row(columns, values, *filled, self.rows)?;
        let start = *filled * self.row_bytes;
        *filled += 1;
        let mut memory = self.memory.0.slice(start..start + self.row_bytes);
        let [columns, values]: [&[u8]; 2] =
            [bytemuck::cast_slice(columns), bytemuck::cast_slice(values)];
        let half = self.used / 2;
        let all_ones = 0xff;
        const { assert!(Element::NO_COLUMN == u32::MAX) };
        memory.slice(columns.len()..half).fill(all_ones);
        memory.slice(half + values.len()..).fill(0);
        memory.slice(..columns.len()).copy_from_slice(columns);
        memory.slice(half..half + values.len()).copy_from_slice(values);
        Ok(())
    }
}

fn lies_on_the_device(buffer: &Buffer) -> Error {
    let name = &buffer.name;
    let problem = format!("takes {name} from a buffer on the device, so no row is pushed");
    Error::argument("feed", problem)
}
