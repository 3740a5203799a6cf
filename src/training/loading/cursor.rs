//! Where in the batches of an order a loader is.

use std::ops::Range;

use crate::data::BatchOrder;

/// Some rows of a batch of the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::training) struct PartRows {
    pub batch: usize,
    /// Rows of the batch that come before them.
    pub first: usize,
    pub rows: usize,
}

/// Goes through batches in parts that run at a time.
pub(super) struct Cursor {
    /// Batches that it has not gone through yet. Beyond the last batch of an order, its first one
    /// follows.
    pub batches: Range<usize>,
    /// Rows of the next batch that it has gone through.
    rows: usize,
    /// Rows of a part at most.
    pub rows_at_once: usize,
}

impl Cursor {
    pub(super) fn new(batches: Range<usize>, rows_at_once: usize) -> Self {
        Cursor { batches, rows: 0, rows_at_once: rows_at_once.max(1) }
    }

    /// The next part; `None` after the last one.
    pub(super) fn peek(&self, order: &BatchOrder) -> Option<PartRows> {
        if self.batches.is_empty() {
            return None;
        }
        let batch = self.batches.start % order.len().max(1);
        let left = order.batch_len(batch).saturating_sub(self.rows);
        Some(PartRows { batch, first: self.rows, rows: self.rows_at_once.min(left) })
    }

    /// Goes past `part`, which [`peek`](Self::peek) has told.
    pub(super) fn pass(&mut self, order: &BatchOrder, part: PartRows) {
        self.rows = part.first + part.rows;
        if self.rows >= order.batch_len(part.batch) {
            self.rows = 0;
            self.batches.start += 1;
        }
    }
}
