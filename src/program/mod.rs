//! A training step as data: operations over a table of named buffers. Nothing here knows a GPU;
//! the CPU and the GPU executor run the same [`Program`].

mod builder;
mod canonical;
mod compile;
mod explain;
mod expression;
mod feed;
mod forward;
mod fusion;
mod gradient;
mod graph;
mod initializer;
mod memory;
mod metrics;
mod network;
mod pass;
mod placement;
mod plan;
mod reuse;
#[cfg(test)]
mod testing;

pub use crate::operation::{AdamRule, dropout_threshold};
pub use crate::table::{Buffer, BufferId, Element, Placement, Reals, Role, Rows, Step};
pub use builder::{Program, ProgramBuilder};
pub(crate) use compile::{Options, compile};
pub use explain::{
    Candidate, ExplainedBuffer, ExplainedDispatch, ExplainedWay, Explanation, explain,
};
pub use feed::{Column, Feed};
pub(crate) use feed::{SPARSE_ROW, too_many_values};
pub(crate) use graph::not_dense;
pub use graph::{Affine, Graph, Initial, Parameter, Value};
pub use initializer::Initializer;
pub use memory::MemoryUse;
pub use metrics::Metrics;
pub use network::NetworkWgsl;
pub(crate) use network::{NetworkText, network_text};
pub use pass::Pass;
pub(crate) use placement::{Arenas, Placed};
pub use plan::{Choice, Way, Ways, plan, planned_rows, ways};
pub(crate) use plan::{all_dispatches, used};
