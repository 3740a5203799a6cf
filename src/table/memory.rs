//! The memory of a table's buffers on the host.

use std::cell::{Ref, RefCell, RefMut};

use super::buffer::{Buffer, BufferId, Element, Reals, Role};
use super::tables::Table;
use crate::error::Result;
use crate::number::Real;

/// The memory of one buffer.
#[derive(Debug, Clone)]
pub enum Storage<T> {
    /// None: the slices of an arena are allocated one by one, and nothing is handed over.
    Arena,
    /// Reals.
    Real(Vec<T>),
    /// Bytes.
    U8(Vec<u8>),
    /// Integers, or the words of sparse rows.
    U32(Vec<u32>),
}

impl<T: Real> Storage<T> {
    /// All zeros, with room for batches of up to `rows` samples.
    pub fn new(buffer: &Buffer, rows: usize) -> Self {
        if matches!(buffer.role, Role::Arena | Role::Handover) {
            return Storage::Arena;
        }
        let elements = buffer.allocated(rows);
        match buffer.element {
            Element::Real => Storage::Real(vec![T::ZERO; elements]),
            Element::U8 => Storage::U8(vec![0; elements]),
            Element::U32 | Element::Sparse { .. } => Storage::U32(vec![0; elements]),
        }
    }

    /// Makes room for batches of up to `rows` samples; new rows are zero.
    pub fn reserve(&mut self, buffer: &Buffer, rows: usize) {
        let elements = buffer.allocated(rows);
        match self {
            Storage::Arena => {}
            Storage::Real(values) => values.resize(elements, T::ZERO),
            Storage::U8(values) => values.resize(elements, 0),
            Storage::U32(values) => values.resize(elements, 0),
        }
    }

    /// All elements as they lie in memory, padding included.
    pub fn elements(&self) -> Vec<f64> {
        match self {
            Storage::Arena => Vec::new(),
            Storage::Real(values) => values.iter().map(|x| x.to_f64()).collect(),
            Storage::U8(values) => values.iter().map(|&x| f64::from(x)).collect(),
            Storage::U32(values) => values.iter().map(|&x| f64::from(x)).collect(),
        }
    }

    /// Fills one row with values as the host has them: bytes, f32 or u32 in this machine's order.
    /// What is missing at the end of the row stays as it was.
    pub fn fill_row(&mut self, buffer: &Buffer, row: usize, bytes: &[u8]) {
        let start = row * buffer.stride();
        let place = start..start + buffer.columns;
        let words = bytes.chunks_exact(4);
        match self {
            Storage::Arena => {}
            Storage::U8(all) => {
                if let Some(to) = all.get_mut(place).and_then(|row| row.get_mut(..bytes.len())) {
                    to.copy_from_slice(bytes);
                }
            }
            Storage::Real(all) => {
                let round = match buffer.reals {
                    Reals::Full => |x: T| x,
                    Reals::Half => T::rounded_to_half,
                };
                for (to, from) in all.get_mut(place).into_iter().flatten().zip(words) {
                    *to = round(T::from_f32(bytemuck::pod_read_unaligned(from)));
                }
            }
            Storage::U32(all) => {
                for (to, from) in all.get_mut(place).into_iter().flatten().zip(words) {
                    *to = bytemuck::pod_read_unaligned(from);
                }
            }
        }
    }

    /// Fills one sparse row with the columns and the values of what is not 0; both fit.
    pub fn fill_sparse_row(
        &mut self,
        buffer: &Buffer,
        row: usize,
        columns: &[u32],
        values: &[f32],
    ) {
        let start = row * buffer.stride();
        let Storage::U32(all) = self else { return };
        let Some(words) = all.get_mut(start..start + buffer.columns) else { return };
        let (first, second) = words.split_at_mut(buffer.columns / 2);
        let columns = columns.iter().copied().chain(std::iter::repeat(Element::NO_COLUMN));
        first.iter_mut().zip(columns).for_each(|(to, column)| *to = column);
        let values = values.iter().map(|value| value.to_bits()).chain(std::iter::repeat(0));
        second.iter_mut().zip(values).for_each(|(to, value)| *to = value);
    }
}

/// What the buffers of a table hold, computed in `T`.
///
/// An operation borrows several buffers at once, some of them mutably. That cannot clash: no
/// operation reads what it writes, which is checked when it is added to a program.
#[derive(Debug, Clone)]
pub struct Memory<T> {
    storage: Vec<RefCell<Storage<T>>>,
}

impl<T: Real> Memory<T> {
    /// All zeros, with room for batches of up to `rows` samples.
    pub fn new(table: &Table, rows: usize) -> Self {
        let storage = table.buffers().map(|(_, buffer)| RefCell::new(Storage::new(buffer, rows)));
        Memory { storage: storage.collect() }
    }

    /// Makes room for batches of up to `rows` samples; new rows are zero.
    pub fn reserve(&mut self, table: &Table, rows: usize) {
        for ((_, buffer), storage) in table.buffers().zip(&mut self.storage) {
            storage.get_mut().reserve(buffer, rows);
        }
    }

    /// Exchanges the memory of `id` for other memory of the same buffer.
    pub fn swap(&mut self, id: BufferId, other: &mut Storage<T>) {
        std::mem::swap(self.storage[id.index()].get_mut(), other);
    }

    /// The reals of `id`, padding included; empty if it holds none.
    pub fn real(&self, id: BufferId) -> Ref<'_, [T]> {
        Ref::map(self.storage[id.index()].borrow(), |storage| match storage {
            Storage::Real(values) => values.as_slice(),
            Storage::Arena | Storage::U8(_) | Storage::U32(_) => &[],
        })
    }

    /// The reals of `id` to write to.
    pub fn real_mut(&self, id: BufferId) -> RefMut<'_, [T]> {
        RefMut::map(self.storage[id.index()].borrow_mut(), |storage| match storage {
            Storage::Real(values) => values.as_mut_slice(),
            Storage::Arena | Storage::U8(_) | Storage::U32(_) => &mut [],
        })
    }

    /// The bytes of `id`; empty if it holds none.
    pub fn u8(&self, id: BufferId) -> Ref<'_, [u8]> {
        Ref::map(self.storage[id.index()].borrow(), |storage| match storage {
            Storage::U8(values) => values.as_slice(),
            Storage::Arena | Storage::Real(_) | Storage::U32(_) => &[],
        })
    }

    /// The integers of `id`; empty if it holds none.
    pub fn u32(&self, id: BufferId) -> Ref<'_, [u32]> {
        Ref::map(self.storage[id.index()].borrow(), |storage| match storage {
            Storage::U32(values) => values.as_slice(),
            Storage::Arena | Storage::Real(_) | Storage::U8(_) => &[],
        })
    }

    /// The integers of `id` to write to.
    pub fn u32_mut(&self, id: BufferId) -> RefMut<'_, [u32]> {
        RefMut::map(self.storage[id.index()].borrow_mut(), |storage| match storage {
            Storage::U32(values) => values.as_mut_slice(),
            Storage::Arena | Storage::Real(_) | Storage::U8(_) => &mut [],
        })
    }

    /// All elements of `id` as they lie in memory, padding included.
    pub fn elements(&self, id: BufferId) -> Vec<f64> {
        self.storage[id.index()].borrow().elements()
    }

    /// The values of `id`, `[rows, columns]` without padding; `live_rows` rows of a batch.
    pub fn read(&self, table: &Table, id: BufferId, live_rows: usize) -> Vec<f64> {
        let buffer = table.buffer(id);
        let elements = self.elements(id);
        let rows = elements.chunks(buffer.stride()).take(buffer.live_rows(live_rows));
        rows.flat_map(|row| &row[..buffer.columns]).copied().collect()
    }

    /// Sets the values of `id`, `[rows, columns]` without padding; there is room for them.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the number of values is not that of whole rows, or
    /// of all of them if the number of rows is fixed.
    pub fn write(&mut self, table: &Table, id: BufferId, values: &[f64]) -> Result<()> {
        let buffer = table.buffer(id);
        buffer.check_values(values.len())?;
        let (columns, stride) = (buffer.columns, buffer.stride());
        let from = values.chunks_exact(columns);
        match self.storage[id.index()].get_mut() {
            Storage::Arena => {}
            Storage::Real(to) => {
                let convert = match buffer.reals {
                    Reals::Full => T::from_f64,
                    Reals::Half => |x: f64| T::from_f64(x.rounded_to_half()),
                };
                fill_rows(to.chunks_exact_mut(stride).zip(from), convert);
            }
            Storage::U8(to) => fill_rows(to.chunks_exact_mut(stride).zip(from), |x| x as u8),
            Storage::U32(to) => fill_rows(to.chunks_exact_mut(stride).zip(from), |x| x as u32),
        }
        Ok(())
    }

    /// Rounds the first `live_rows` rows of `id` to what f16 can hold.
    pub fn round_to_half(&self, table: &Table, id: BufferId, live_rows: usize) {
        let buffer = table.buffer(id);
        let count = buffer.live_rows(live_rows) * buffer.stride();
        for value in self.real_mut(id).iter_mut().take(count) {
            *value = value.rounded_to_half();
        }
    }

    /// Sets all elements of `id` to 0.
    pub fn clear(&mut self, id: BufferId) {
        match self.storage[id.index()].get_mut() {
            Storage::Real(values) => values.fill(T::ZERO),
            Storage::U32(values) => values.fill(0),
            Storage::U8(values) => values.fill(0),
            Storage::Arena => {}
        }
    }
}

fn fill_rows<'a, E: 'a>(
    rows: impl Iterator<Item = (&'a mut [E], &'a [f64])>,
    convert: impl Fn(f64) -> E,
) {
    for (to, from) in rows {
        for (to, &from) in to.iter_mut().zip(from) {
            *to = convert(from);
        }
    }
}
