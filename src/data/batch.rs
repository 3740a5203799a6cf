//! Some samples of a set.

use super::Dataset;
use super::samples::Row;
use crate::error::Result;

/// One sample of a set.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    pub(super) data: &'a Dataset,
    /// In the whole, unsliced set; the set has made sure that it is there.
    pub(super) place: usize,
}

impl<'a> Sample<'a> {
    /// The values of its input `column` as bytes, f32 in the machine's byte order; none if there
    /// is no such column, or if it is sparse.
    #[must_use]
    pub fn input(self, column: usize) -> &'a [u8] {
        match self.row(column) {
            Row::Dense(bytes) => bytes,
            Row::Sparse { .. } => &[],
        }
    }

    /// The values of its input `column`, whether or not it is sparse; none if there is no such
    /// column.
    #[must_use]
    pub fn row(self, column: usize) -> Row<'a> {
        let column = self.data.inputs().get(column);
        column.and_then(|column| column.row(self.place)).unwrap_or(Row::Dense(&[]))
    }

    /// Its target `column` as bytes, a u32 or f32s in the machine's byte order; none if there is
    /// no such column.
    #[must_use]
    pub fn target(self, column: usize) -> &'a [u8] {
        let column = self.data.targets().get(column);
        column.and_then(|column| column.bytes(self.place)).unwrap_or_default()
    }

    /// How much the loss of its target `column` counts; 1 unless given.
    #[must_use]
    pub fn weight(self, column: usize) -> f32 {
        self.data.weight(column, self.place)
    }
}

/// The samples of one step.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// Where they are.
    pub data: &'a Dataset,
    /// Which they are.
    pub indices: &'a [u32],
}

impl<'a> Batch<'a> {
    /// Number of samples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// True if there is no sample.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// The samples, in the order of the indices.
    pub fn samples(&self) -> impl Iterator<Item = Result<Sample<'a>>> {
        let data = self.data;
        self.indices.iter().map(move |&index| data.sample(index as usize))
    }
}
