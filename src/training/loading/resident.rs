//! Batches whose inputs lie on the device: what remains is to say which rows they are, and to fill in
//! targets and weights.

use std::ops::Range;

use super::cursor::{Cursor, PartRows};
use crate::data::{Batch, BatchOrder, Dataset, PermutationTables};
use crate::error::Result;
use crate::gpu::GatherFeed;
use crate::profile::Profile;
use crate::program::{BufferId, Pass, Program, Role};
use crate::training::feed::fill_targets;

/// Fills the feeds of steps on resident rows.
pub(super) struct ResidentRows {
    data: Dataset,
    order: BatchOrder,
    tables: Option<PermutationTables>,
    cursor: Cursor,
    /// The buffers that are filled, in the order of the data's targets.
    weights: Vec<BufferId>,
    targets: Vec<BufferId>,
    /// The samples of a part.
    indices: Vec<u32>,
    profile: Profile,
}

impl ResidentRows {
    /// Those of `data`, which was checked, that `pass` reads.
    pub(super) fn new(
        data: Dataset,
        order: BatchOrder,
        cursor: Cursor,
        program: &Program,
        pass: Pass,
        profile: Profile,
    ) -> Self {
        let of_role = |role: Role| match pass.reads(role) {
            true => program.of_role(role).map(|(id, _)| id).collect(),
            false => Vec::new(),
        };
        let (weights, targets) = (of_role(Role::SampleWeight), of_role(Role::Target));
        let (tables, indices) = (order.tables(), Vec::new());
        ResidentRows { data, order, tables, cursor, weights, targets, indices, profile }
    }

    /// The next part and the rows of its batch; `None` after the last one.
    pub(super) fn next(&self) -> Option<(PartRows, usize)> {
        let part = self.cursor.peek(&self.order)?;
        Some((part, self.order.batch_len(part.batch)))
    }

    /// Fills `feed`, which is for the rows of `part`, and goes past it.
    ///
    /// # Errors
    /// Those of the feed, of which none is to be expected.
    pub(super) fn fill(&mut self, part: PartRows, feed: &mut GatherFeed) -> Result<()> {
        let _span = self.profile.span("fill upload memory");
        let rows: Range<usize> = part.first..part.first + part.rows;
        self.order.rows_into(self.tables.as_ref(), part.batch, rows, &mut self.indices);
        let batch = Batch { data: &self.data, indices: &self.indices };
        feed.gather(self.indices.iter().copied())?;
        let [weights, targets] = [&self.weights, &self.targets].map(|ids| ids.iter().copied());
        fill_targets(feed, weights, targets, batch)?;
        self.pass(part);
        Ok(())
    }

    /// Goes past `part` without filling anything.
    pub(super) fn pass(&mut self, part: PartRows) {
        self.cursor.pass(part);
    }
}
