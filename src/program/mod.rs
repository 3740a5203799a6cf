//! A training step as data: operations over a table of named buffers. Nothing here knows a GPU;
//! the CPU and the GPU executor run the same [`Program`].

mod access;
mod buffer;
mod builder;
mod feed;
mod metrics;
mod op;
mod shapes;
mod step;

pub use buffer::{Buffer, BufferId, Element, Placement, Role, Rows};
pub use builder::ProgramBuilder;
pub use feed::{Column, Feed};
pub use metrics::Metrics;
pub use op::{AdamRule, Op, Pass, dropout_threshold};
pub use step::Step;

/// The buffer table of a model, its lists of operations, and the buffers of its outputs.
///
/// The lists share the table: evaluation and prediction read the parameters that training writes.
#[derive(Debug, Clone, Default)]
pub struct Program {
    buffers: Vec<Buffer>,
    train: Vec<Op>,
    evaluate: Vec<Op>,
    predict: Vec<Op>,
    update: Vec<Op>,
    outputs: Vec<(String, BufferId)>,
}

impl Program {
    /// Sums in the buffer that [`Op::Penalty`] adds to, as in `penalty.wgsl`; after them comes the
    /// number of the next one.
    pub const PENALTY_SLOTS: usize = 1024;

    /// The operations of `pass`, in the order in which they run.
    pub fn ops(&self, pass: Pass) -> &[Op] {
        match pass {
            Pass::Train => &self.train,
            Pass::Evaluate => &self.evaluate,
            Pass::Predict => &self.predict,
            Pass::Update => &self.update,
        }
    }

    /// The buffer of `id`.
    pub fn buffer(&self, id: BufferId) -> &Buffer {
        // Ids are only made by the builder of this table.
        &self.buffers[id.0]
    }

    /// The whole table, in the order of the ids.
    pub fn buffers(&self) -> impl Iterator<Item = (BufferId, &Buffer)> {
        self.buffers.iter().enumerate().map(|(i, buffer)| (BufferId(i), buffer))
    }

    /// The buffers of one role, in the order of the ids.
    pub fn of_role(&self, role: Role) -> impl Iterator<Item = (BufferId, &Buffer)> {
        self.buffers().filter(move |(_, buffer)| buffer.role == role)
    }

    /// Name and result `[B, width]` of each output, as [`Pass::Predict`] computes them.
    pub fn outputs(&self) -> &[(String, BufferId)] {
        &self.outputs
    }

    /// The buffer called `name`.
    pub fn find(&self, name: &str) -> Option<BufferId> {
        self.buffers().find(|(_, buffer)| buffer.name == name).map(|(id, _)| id)
    }

    /// The same buffers with the slices of each arena in its place.
    pub fn parts(&self, ids: &[BufferId]) -> Vec<BufferId> {
        let parts = ids.iter().map(|&id| match self.buffer(id).role {
            Role::Arena => self.slices(id).map(|(slice, _)| slice).collect(),
            _ => vec![id],
        });
        parts.collect::<Vec<_>>().concat()
    }

    /// The buffers that are slices of `arena`, in the order of their offsets.
    pub fn slices(&self, arena: BufferId) -> impl Iterator<Item = (BufferId, &Buffer)> {
        self.buffers().filter(
            move |(_, buffer)| matches!(buffer.placement, Placement::Slice { arena: a, .. } if a == arena),
        )
    }
}
