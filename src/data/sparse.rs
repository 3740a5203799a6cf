//! Samples in memory of which only the values that are not 0 are stored.

use std::sync::Arc;

use super::samples::SparseRows;
use crate::error::{Error, Result};
use crate::sparse_row;

/// Rows of `width` floats of which only those that are not 0 are stored, each with its column: words
/// counted in texts, say. Cloning it shares the data.
#[derive(Debug, Clone)]
pub struct SparseMatrix {
    rows: Arc<SparseRows>,
    width: usize,
    /// The values of the row that has most of them.
    longest: usize,
}

impl SparseMatrix {
    /// Rows of `width` values.
    ///
    /// # Errors
    /// [`Error::Data`] with the number of the first row that has a column beyond the width, or a
    /// value that is not finite.
    pub fn new(width: usize, rows: SparseRows) -> Result<Self> {
        let mut longest = 0;
        for number in 0..rows.len() {
            let (columns, values) = rows.row(number);
            sparse_row::check(columns, values, width)
                .map_err(|problem| Error::data(format!("sparse row {number}"), problem))?;
            longest = longest.max(columns.len());
        }
        Ok(SparseMatrix { rows: Arc::new(rows), width, longest })
    }

    /// The same from compressed rows (CSR, as in SciPy): row `i` has the columns
    /// `indices[offsets[i]..offsets[i + 1]]`, ascending, and the values at the same places.
    ///
    /// # Errors
    /// As [`new`](Self::new); also if the offsets do not ascend from 0 to the number of values, or
    /// the columns of a row do not ascend.
    pub fn from_csr(
        width: usize,
        offsets: &[usize],
        indices: &[u32],
        values: &[f32],
    ) -> Result<Self> {
        let wrong = |actual: String, expected: String| Error::Shape {
            what: "sparse rows".into(),
            actual,
            expected,
        };
        let ends = [offsets.first().copied(), offsets.last().copied()];
        if indices.len() != values.len() || ends != [Some(0), Some(values.len())] {
            let [columns, values] = [indices.len(), values.len()];
            return Err(wrong(
                format!("{columns} columns, {values} values, offsets from {ends:?}"),
                "as many columns as values, and offsets from 0 to their number".into(),
            ));
        }
        let mut rows = SparseRows::default();
        for (number, pair) in offsets.windows(2).enumerate() {
            let range = match pair {
                &[start, end] => start..end,
                _ => continue,
            };
            let row = indices.get(range.clone()).zip(values.get(range));
            let Some((columns, values)) = row else {
                let actual = format!("offsets {pair:?} around row {number}");
                return Err(wrong(actual, "offsets that ascend".into()));
            };
            sparse_row::check(columns, values, width)
                .map_err(|problem| Error::data(format!("sparse row {number}"), problem))?;
            rows.push(columns, values)?;
        }
        Self::new(width, rows)
    }

    /// The rows at these places alone.
    pub(super) fn select(&self, places: &[usize]) -> Self {
        let mut rows = SparseRows::default();
        let mut longest = 0;
        for &place in places {
            let (columns, values) = self.row(place);
            // It was pushed before, so it is not refused.
            if rows.push(columns, values).is_ok() {
                longest = longest.max(columns.len());
            }
        }
        SparseMatrix { rows: Arc::new(rows), width: self.width, longest }
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True if there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Values in a row, those that are 0 included.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// How many values the row has that has most of them: what
    /// [`Input::sparse`](crate::Input::sparse) needs room for.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// The columns and the values of row `row`; empty ones if there is no such row.
    #[must_use]
    pub fn row(&self, row: usize) -> (&[u32], &[f32]) {
        self.rows.row(row)
    }
}
