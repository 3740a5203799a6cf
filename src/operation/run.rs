//! What an operation's CPU function works on.

use std::cell::{Ref, RefMut};

use crate::number::Real;
use crate::table::{BufferId, Memory, Step, Table};
use crate::threads::Threads;

/// The memory of a table, the scalars of the step, and the threads that compute.
pub struct Run<'a, T> {
    /// The buffers.
    pub table: &'a Table,
    /// What they hold.
    pub memory: &'a Memory<T>,
    /// The scalars.
    pub step: &'a Step,
    /// What parts of an operation run on at the same time.
    pub threads: &'a Threads,
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

impl RowShape {
    /// Elements of all live rows.
    pub fn live(&self) -> usize {
        self.rows * self.stride
    }
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

    /// Elements of the live rows of a buffer that go into one part, whole rows; all of them where a
    /// hand-over to another thread would cost more than it saves. `work` is what an element costs, as
    /// [`Threads::share`] counts it.
    pub(super) fn part(&self, shape: RowShape, work: usize) -> usize {
        let row = shape.stride.saturating_mul(work);
        self.threads.share(shape.rows, row).saturating_mul(shape.stride).max(1)
    }

    /// Runs `each` on the live rows of `values`, several rows at the same time: on each row's number and
    /// its elements, padding included. `work` is what an element costs, as [`Threads::share`] counts
    /// it.
    pub(super) fn each_row(
        &self,
        values: &mut [T],
        shape: RowShape,
        work: usize,
        each: impl Fn(usize, &mut [T]) + Sync,
    ) {
        let part = self.part(shape, work);
        let parts = values[..shape.live()].chunks_mut(part).enumerate();
        self.threads.each(parts, |(number, values)| {
            let first = number * (part / shape.stride);
            for (row, values) in (first..).zip(values.chunks_exact_mut(shape.stride)) {
                each(row, values);
            }
        });
    }

    /// Runs `each` on the slices of the arenas: the gradients, and what the update changes. Long
    /// slices are cut, and their parts run at the same time. `work` is what an element costs, in
    /// additions of a loop that is made of vectors.
    pub fn each_slice<const N: usize>(
        &self,
        gradients: BufferId,
        changed: [BufferId; N],
        work: usize,
        each: impl Fn(&[T], [&mut [T]; N]) + Sync,
    ) {
        for (i, (gradient, _)) in self.table.slices(gradients).enumerate() {
            let slice = |arena| self.table.slices(arena).nth(i);
            let mut changed = changed.map(|arena| slice(arena).map(|(id, _)| self.real_mut(id)));
            let gradient = self.real(gradient);
            let length = self.threads.share(gradient.len(), work);
            let mut changed = changed.each_mut().map(|slice| match slice {
                Some(values) => values.chunks_mut(length),
                None => [].chunks_mut(length),
            });
            let parts = gradient.chunks(length).map(move |gradient| {
                (gradient, changed.each_mut().map(|chunks| chunks.next().unwrap_or_default()))
            });
            self.threads.each(parts, |(gradient, changed)| each(gradient, changed));
        }
    }
}
