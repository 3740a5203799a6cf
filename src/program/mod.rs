//! A training step as data: operations over a table of named buffers. Nothing here knows a GPU;
//! the CPU and the GPU executor run the same [`Program`].

mod builder;
mod canonical;
mod compile;
mod expression;
mod feed;
mod fusion;
mod gradient;
mod graph;
mod initializer;
mod metrics;
mod pass;
mod placement;
mod reuse;
#[cfg(test)]
mod testing;

use crate::operation::Op;
pub use crate::operation::{AdamRule, dropout_threshold};
use crate::table::Table;
pub use crate::table::{Buffer, BufferId, Element, Placement, Role, Rows, Step};
pub use builder::ProgramBuilder;
pub(crate) use compile::{Options, compile};
pub use feed::{Column, Feed};
pub use graph::{Affine, Graph, Initial, Parameter, Value};
pub use initializer::Initializer;
pub use metrics::Metrics;
pub use pass::Pass;
pub(crate) use placement::{Arenas, Placed};

/// The buffer table of a model, its lists of operations, and the buffers of its outputs.
///
/// The lists share the table: evaluation and prediction read the parameters that training writes.
#[derive(Debug, Clone, Default)]
pub struct Program {
    table: Table,
    lists: [Vec<Op>; Pass::ALL.len()],
    outputs: Vec<(String, BufferId)>,
}

impl Program {
    /// The operations of `pass`, in the order in which they run.
    pub fn ops(&self, pass: Pass) -> &[Op] {
        // The numbers of the passes are their places in the order of `Pass::ALL`.
        &self.lists[pass as usize]
    }

    /// The buffers.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The buffer of `id`.
    pub fn buffer(&self, id: BufferId) -> &Buffer {
        self.table.buffer(id)
    }

    /// The whole table, in the order of the ids.
    pub fn buffers(&self) -> impl Iterator<Item = (BufferId, &Buffer)> {
        self.table.buffers()
    }

    /// The buffers of one role, in the order of the ids.
    pub fn of_role(&self, role: Role) -> impl Iterator<Item = (BufferId, &Buffer)> {
        self.table.of_role(role)
    }

    /// Name and result `[B, width]` of each output, as [`Pass::Predict`] computes them.
    pub fn outputs(&self) -> &[(String, BufferId)] {
        &self.outputs
    }

    /// The buffer called `name`.
    pub fn find(&self, name: &str) -> Option<BufferId> {
        self.table.find(name)
    }

    /// The same buffers, each arena replaced by its slices.
    pub fn parts(&self, ids: &[BufferId]) -> Vec<BufferId> {
        self.table.parts(ids)
    }

    /// The buffers that are slices of `arena`, in the order of their offsets.
    pub fn slices(&self, arena: BufferId) -> impl Iterator<Item = (BufferId, &Buffer)> {
        self.table.slices(arena)
    }
}
