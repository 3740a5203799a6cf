//! What a step reads: rows in memory that takes the place of the program's own.

use std::sync::Arc;

use crate::error::Result;
use crate::number::Real;
use crate::program::{Buffer, BufferId, Column, Feed, Program};
use crate::table::Storage;

/// Memory for the rows of one step of a [`CpuExecutor`](super::CpuExecutor), which computes on it
/// without a copy.
#[derive(Debug)]
pub struct CpuFeed<T> {
    pub(super) program: Arc<Program>,
    pub(super) rows: usize,
    pub(super) columns: Vec<Rows<T>>,
}

/// The rows of one buffer.
#[derive(Debug)]
pub(super) struct Rows<T> {
    pub id: BufferId,
    pub storage: Storage<T>,
    pub filled: usize,
}

impl<T> CpuFeed<T> {
    /// Takes the step to have `rows` rows, if that is fewer than before. Do so before rows are
    /// pushed.
    pub fn truncate(&mut self, rows: usize) {
        self.rows = self.rows.min(rows);
    }
}

impl<T: Real> Feed for CpuFeed<T> {
    type Column<'a>
        = CpuColumn<'a, T>
    where
        T: 'a;

    fn rows(&self) -> usize {
        self.rows
    }

    fn columns(&mut self) -> impl Iterator<Item = (BufferId, CpuColumn<'_, T>)> {
        let CpuFeed { program, rows: count, columns } = self;
        columns.iter_mut().map(|rows| {
            let buffer = program.buffer(rows.id);
            (rows.id, CpuColumn { buffer, count: *count, rows })
        })
    }
}

/// The rows of one buffer in a [`CpuFeed`].
#[derive(Debug)]
pub struct CpuColumn<'a, T> {
    buffer: &'a Buffer,
    count: usize,
    rows: &'a mut Rows<T>,
}

impl<T: Real> Column for CpuColumn<'_, T> {
    #[inline]
    fn push(&mut self, row: &[u8]) -> Result<()> {
        let Rows { storage, filled, .. } = &mut *self.rows;
        self.buffer.check_row(row.len(), *filled, self.count)?;
        storage.fill_row(self.buffer, *filled, row);
        *filled += 1;
        Ok(())
    }

    fn push_sparse(&mut self, columns: &[u32], values: &[f32]) -> Result<()> {
        let Rows { storage, filled, .. } = &mut *self.rows;
        self.buffer.check_sparse_row(columns, values, *filled, self.count)?;
        storage.fill_sparse_row(self.buffer, *filled, columns, values);
        *filled += 1;
        Ok(())
    }
}
