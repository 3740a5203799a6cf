//! Which rows of a batch a process loads: those of its own shards.

use std::ops::Range;

/// The own parts of every batch, and how large a part is.
#[derive(Debug, Clone)]
pub(super) struct OwnRows {
    /// The numbers of the parts, of all into which a batch is cut.
    parts: Range<usize>,
    /// Rows of a part, but for the last one of a batch.
    pub rows_at_once: usize,
}

impl OwnRows {
    /// Part `s` of a batch has the rows from `s * rows_at_once` on.
    pub(super) fn new(parts: Range<usize>, rows_at_once: usize) -> Self {
        OwnRows { parts, rows_at_once: rows_at_once.max(1) }
    }

    /// Whether all rows of all batches are own ones.
    pub(super) fn is_everything(&self) -> bool {
        self.parts == (0..usize::MAX)
    }

    /// The own rows of a batch of `rows` rows; an empty range where all of them are others'.
    pub(super) fn of(&self, rows: usize) -> Range<usize> {
        let first_row = |part: usize| part.saturating_mul(self.rows_at_once).min(rows);
        let start = first_row(self.parts.start);
        start..first_row(self.parts.end).max(start)
    }
}
