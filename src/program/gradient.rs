//! Reverse mode over a graph: from what adds to the loss to the gradients of the parameters.

use std::collections::HashSet;

use super::graph::{Graph, Node, Outside};
use crate::error::Result;
use crate::operation::{Accumulate, DenseBackwardWeights, Direction, Op, Tape, direction, reverse};
use crate::table::{BufferId, Rows};

/// A trained parameter and its gradient, `None` where the loss does not depend on it.
pub(super) type ParameterGradient = (BufferId, Option<BufferId>);

/// Appends the backward operations to `graph`, by the rule of each operation; returns the trained
/// parameters with their gradients.
///
/// # Errors
/// Those of the rules.
pub(super) fn push_gradients(graph: &mut Graph) -> Result<Vec<ParameterGradient>> {
    let forward: Vec<Op> = graph.nodes.iter().map(|node| node.op).collect();
    let trained = depending_on(&forward, graph.trained.iter().copied().collect());
    let table = std::mem::take(&mut graph.table);
    let mut tape = Tape::new(table, forward.iter().copied(), trained);
    // What adds to the loss comes first, in the order in which it was said.
    for op in forward.iter().filter(|op| direction(op) == Direction::Begins) {
        reverse(op, &mut tape)?;
    }
    for op in forward.iter().rev().filter(|op| direction(op) == Direction::Reverse) {
        if op.writes().iter().any(|&id| tape.wants(id)) {
            reverse(op, &mut tape)?;
        }
    }
    let mut gradients = Vec::new();
    for &parameter in &graph.trained {
        let parts = tape.contributions(parameter).to_vec();
        let penalized = graph.penalties.iter().any(|&(id, ..)| id == parameter);
        let gradient = match parts.split_first() {
            None if penalized => Some(push_zeros(&mut tape, parameter)?),
            None => None,
            Some((&first, others)) => {
                for &gradients in others {
                    tape.push(Accumulate { gradients, accumulated: first })?;
                }
                Some(first)
            }
        };
        gradients.push((parameter, gradient));
    }
    let Tape { table, ops, derivatives, .. } = tape;
    graph.table = table;
    graph.derivatives.extend(derivatives);
    graph.nodes.extend(ops.into_iter().map(|op| Node { op, outside: Outside::Absent }));
    Ok(gradients)
}

/// `trained`, and all that is computed from it as far as gradients pass.
fn depending_on(forward: &[Op], mut trained: HashSet<BufferId>) -> HashSet<BufferId> {
    for op in forward {
        let passes = match direction(op) {
            Direction::Reverse => op.reads().iter().any(|id| trained.contains(id)),
            Direction::Begins | Direction::Stops(_) => false,
        };
        if passes {
            trained.extend(op.writes());
        }
    }
    trained
}

/// The gradient of a parameter that the loss does not depend on, but that a penalty is added to:
/// each step begins with zeros, the product of buffers to which nothing writes.
fn push_zeros(tape: &mut Tape, parameter: BufferId) -> Result<BufferId> {
    let (rows, columns) = match tape.table.buffer(parameter).rows {
        Rows::Fixed(rows) => (Some(rows), tape.table.columns(parameter)),
        Rows::One | Rows::Batch => (None, tape.table.columns(parameter)),
    };
    let input = tape.zeros(rows.unwrap_or(1))?;
    let output_gradient = tape.zeros(columns)?;
    let gradient = tape.gradient(parameter)?;
    let unused = match rows {
        Some(_) => tape.scratch(Rows::One, columns)?,
        None => tape.scratch(Rows::Fixed(1), columns)?,
    };
    let (weight_gradient, bias_gradient) = match rows {
        Some(_) => (gradient, unused),
        None => (unused, gradient),
    };
    tape.push(DenseBackwardWeights { input, output_gradient, weight_gradient, bias_gradient })?;
    Ok(gradient)
}
