//! Where in the batches of an order a loader is.

use std::ops::Range;

use super::own_rows::OwnRows;
use crate::data::BatchOrder;

/// Some rows of a batch of the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::training) struct PartRows {
    pub batch: usize,
    /// Rows of the batch that come before them.
    pub first: usize,
    /// 0 if no row of the batch is this process's own.
    pub rows: usize,
    /// Whether they are the last own rows of the batch.
    pub last: bool,
}

/// Goes through the own rows of batches, in parts that run at a time. A batch without an own row has
/// one part, without a row.
pub(super) struct Cursor {
    /// Batches that it has not gone through yet. Beyond the last batch of an order, its first one
    /// follows.
    pub batches: Range<usize>,
    pub own: OwnRows,
    /// Own rows of the next batch that it has gone through.
    rows: usize,
}

impl Cursor {
    pub(super) fn new(batches: Range<usize>, own: OwnRows) -> Self {
        Cursor { batches, own, rows: 0 }
    }

    /// The next part; `None` after the last one.
    pub(super) fn peek(&self, order: &BatchOrder) -> Option<PartRows> {
        if self.batches.is_empty() {
            return None;
        }
        let batch = self.batches.start % order.len().max(1);
        let own = self.own.of(order.batch_len(batch));
        let first = (own.start + self.rows).min(own.end);
        let rows = self.own.rows_at_once.min(own.end - first);
        Some(PartRows { batch, first, rows, last: first + rows >= own.end })
    }

    /// Goes past `part`, which [`peek`](Self::peek) has told.
    pub(super) fn pass(&mut self, part: PartRows) {
        self.rows += part.rows;
        if part.last {
            self.rows = 0;
            self.batches.start += 1;
        }
    }
}
