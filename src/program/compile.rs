//! From a graph to a program, step by step.

use super::graph::Graph;
use super::placement::{Placed, place};
use super::{canonical, fusion, gradient};
use crate::error::Result;

/// How a graph becomes a program.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options<'a> {
    /// Whether operations are fused.
    pub fusion: bool,
    /// Whether values share memory that do not live at the same time.
    pub reuse: bool,
    /// What the optimizer keeps for each parameter, by its name.
    pub state: &'a [&'static str],
}

/// The program of a graph, but for its update: canonical form, gradients, fusion, and a place for
/// each buffer.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) or [`Error::Argument`](crate::Error::Argument) for an
/// operation or a buffer that cannot be.
pub(crate) fn compile(mut graph: Graph, options: Options<'_>) -> Result<Placed> {
    canonical::crossentropies_from_logits(&mut graph);
    let gradients = gradient::push_gradients(&mut graph)?;
    if options.fusion {
        fusion::fuse(&mut graph)?;
    }
    place(graph, &gradients, options.reuse, options.state)
}
