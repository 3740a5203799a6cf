//! What an operation's CPU function works on.

use std::cell::{Ref, RefMut};

use crate::number::Real;
use crate::table::{BufferId, Memory, Step, Table};

/// The memory of a table and the scalars of the step.
pub struct Run<'a, T> {
    /// The buffers.
    pub table: &'a Table,
    /// What they hold.
    pub memory: &'a Memory<T>,
    /// The scalars.
    pub step: &'a Step,
}

impl<T> std::fmt::Debug for Run<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run").field("step", self.step).finish_non_exhaustive()
    }
}

/// The size of a buffer of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowShape {
    /// Live rows of the batch.
    pub rows: usize,
    /// Values in a row.
    pub columns: usize,
    /// Elements from one row to the next.
    pub stride: usize,
    /// Elements of the whole batch that come before this part of it.
    pub before: usize,
}

impl<T: Real> Run<'_, T> {
    /// Live rows of the batch.
    pub fn rows(&self) -> usize {
        self.step.live_rows
    }

    /// The live rows of `id`.
    pub fn shape(&self, id: BufferId) -> RowShape {
        let buffer = self.table.buffer(id);
        let (columns, stride) = (buffer.columns, buffer.stride());
        RowShape { rows: self.rows(), columns, stride, before: self.step.first_row * stride }
    }

    /// The reals of `id`, padding included.
    pub fn real(&self, id: BufferId) -> Ref<'_, [T]> {
        self.memory.real(id)
    }

    /// The reals of `id` to write to.
    pub fn real_mut(&self, id: BufferId) -> RefMut<'_, [T]> {
        self.memory.real_mut(id)
    }

    /// The bytes of `id`.
    pub fn u8(&self, id: BufferId) -> Ref<'_, [u8]> {
        self.memory.u8(id)
    }

    /// The integers of `id`.
    pub fn u32(&self, id: BufferId) -> Ref<'_, [u32]> {
        self.memory.u32(id)
    }

    /// The integers of `id` to write to.
    pub fn u32_mut(&self, id: BufferId) -> RefMut<'_, [u32]> {
        self.memory.u32_mut(id)
    }

    /// Runs `each` on one slice of the arenas after the other: the gradients, and what the update
    /// changes.
    pub fn each_slice<const N: usize>(
        &self,
        gradients: BufferId,
        changed: [BufferId; N],
        mut each: impl FnMut(&[T], [&mut [T]; N]),
    ) {
        for (i, (gradient, _)) in self.table.slices(gradients).enumerate() {
            let slice = |arena| self.table.slices(arena).nth(i);
            let mut changed = changed.map(|arena| slice(arena).map(|(id, _)| self.real_mut(id)));
            let changed = changed.each_mut().map(|slice| match slice {
                Some(values) => &mut **values,
                None => &mut [],
            });
            each(&self.real(gradient), changed);
        }
    }
}
