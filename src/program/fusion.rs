//! Operations that do the work of two: each pattern replaces operations by fewer ones with the same
//! result. Without any of it a program computes the same.

use super::graph::{Graph, Node, Outside};
use crate::error::Result;
use crate::operation::activation::Elementwise;
use crate::operation::{ActivateBackward, Add, Derivative, Op};
use crate::table::BufferId;

/// Applies every pattern.
///
/// # Errors
/// As [`Table::add`](crate::table::Table::add).
pub(super) fn fuse(graph: &mut Graph) -> Result<()> {
    activation_into_dense(graph);
    derivative_over_sum(graph)?;
    derivative_into_gradient(graph);
    Ok(())
}

/// `activate(dense(x))` becomes one operation if the activation's derivative can be told from its
/// result and nothing else reads what the dense layer made.
fn activation_into_dense(graph: &mut Graph) {
    for place in (0..graph.nodes.len()).rev() {
        let Some(Op::Activate(activate)) = graph.nodes.get(place).map(|node| node.op) else {
            continue;
        };
        if !activate.activation.is_fused() || graph.uses(activate.input) != 1 {
            continue;
        }
        let dense = graph.nodes.iter_mut().find_map(|node| match &mut node.op {
            Op::DenseForward(dense)
                if dense.output == activate.input && dense.activation == Elementwise::Linear =>
            {
                Some(dense)
            }
            _ => None,
        });
        if let Some(dense) = dense {
            dense.activation = activate.activation;
            graph.nodes.remove(place);
            graph.replace(activate.output, activate.input);
        }
    }
}

/// An activation's derivative times a sum of gradients becomes the sum of its products, if the
/// derivative can become a part of all operations that made the gradients but one: that costs no
/// operation more than the derivative of the sum.
fn derivative_over_sum(graph: &mut Graph) -> Result<()> {
    let mut place = 0;
    while let Some(node) = graph.nodes.get(place) {
        place += 1;
        let Op::ActivateBackward(backward) = node.op else { continue };
        let mut sums = Vec::new();
        let mut parts = Vec::new();
        collect_parts(graph, backward.output_gradient, &mut sums, &mut parts);
        let takes = |id: &&BufferId| graph.takes_derivative(**id, backward).is_some();
        if sums.is_empty() || parts.iter().filter(takes).count() + 1 < parts.len() {
            continue;
        }
        let before: Vec<Node> = graph.nodes.drain(..place).collect();
        let kept = before.into_iter().filter(|node| match node.op {
            Op::Add(add) => !sums.contains(&add.output),
            op => op != Op::from(backward),
        });
        let mut nodes: Vec<Node> = kept.collect();
        let of = match graph.derivatives.get(&backward.input_gradient) {
            Some(&(Derivative::Of(id) | Derivative::Sum(id))) => id,
            None => backward.value,
        };
        let mut push = |op: Op| nodes.push(Node { op, outside: Outside::Absent });
        let mut total = None;
        for (i, &output_gradient) in parts.iter().enumerate() {
            let input_gradient = graph.alike(backward.value, Derivative::Of(of))?;
            push(ActivateBackward { output_gradient, input_gradient, ..backward }.into());
            total = Some(match total {
                None => input_gradient,
                Some(first) => {
                    let output = match i + 1 == parts.len() {
                        true => backward.input_gradient,
                        false => graph.alike(backward.value, Derivative::Sum(of))?,
                    };
                    push(Add { first, second: input_gradient, output }.into());
                    output
                }
            });
        }
        graph.derivatives.insert(backward.input_gradient, Derivative::Sum(of));
        place = nodes.len();
        nodes.append(&mut graph.nodes);
        graph.nodes = nodes;
    }
    Ok(())
}

/// The gradients that `id` is the sum of, and the sums between, as far as nothing else reads them.
fn collect_parts(graph: &Graph, id: BufferId, sums: &mut Vec<BufferId>, parts: &mut Vec<BufferId>) {
    match graph.writer(id).map(|node| node.op) {
        Some(Op::Add(add)) if graph.uses(id) == 1 && graph.derivatives.contains_key(&id) => {
            sums.push(id);
            collect_parts(graph, add.first, sums, parts);
            collect_parts(graph, add.second, sums, parts);
        }
        _ => parts.push(id),
    }
}

/// An activation's derivative becomes a part of the operation that made the gradient.
fn derivative_into_gradient(graph: &mut Graph) {
    let mut place = 0;
    while let Some(node) = graph.nodes.get(place) {
        if let Op::ActivateBackward(backward) = node.op
            && let Some(fused) = graph.takes_derivative(backward.output_gradient, backward)
            && let Some(maker) = graph
                .nodes
                .iter_mut()
                .find(|node| node.op.writes().contains(&backward.output_gradient))
        {
            maker.op = fused;
            graph.nodes.remove(place);
            graph.replace(backward.output_gradient, backward.input_gradient);
            continue;
        }
        place += 1;
    }
}

impl Graph {
    /// How many operations read `id`; an output counts as one.
    fn uses(&self, id: BufferId) -> usize {
        let reads = |node: &&Node| node.forms().any(|op| op.reads().contains(&id));
        let outputs = self.outputs.iter().filter(|(_, output)| *output == id).count();
        self.nodes.iter().filter(reads).count() + outputs
    }

    fn writer(&self, id: BufferId) -> Option<&Node> {
        self.nodes.iter().find(|node| node.op.writes().contains(&id))
    }

    /// Puts `to` in the place of `from` in all operations and outputs.
    fn replace(&mut self, from: BufferId, to: BufferId) {
        for op in self.nodes.iter_mut().flat_map(Node::forms_mut) {
            op.each_mut(&mut |_, id| {
                if *id == from {
                    *id = to;
                }
            });
        }
        for (_, id) in self.outputs.iter_mut().filter(|(_, id)| *id == from) {
            *id = to;
        }
        self.merged.push((from, to));
    }

    /// A new buffer for gradients, as large as the rows of `id`.
    fn alike(&mut self, id: BufferId, derivative: Derivative) -> Result<BufferId> {
        let name = format!("fused {}", self.table.buffers().count());
        let gradient = self.table.activation(name, self.table.columns(id))?;
        self.derivatives.insert(gradient, derivative);
        Ok(gradient)
    }

    /// The operation that makes the gradient `id`, with the derivative of `backward` as a part of
    /// it. `None` if it has no room for one, or `id` is read elsewhere too.
    fn takes_derivative(&self, id: BufferId, backward: ActivateBackward) -> Option<Op> {
        let activation = backward.activation;
        if !activation.is_fused() || self.uses(id) != 1 {
            return None;
        }
        let value = backward.value;
        let free = |own: Elementwise, of: BufferId| own == Elementwise::Linear && of == value;
        let op = self.writer(id)?.op;
        if let Op::DenseBackwardInput(mut op) = op
            && free(op.activation, op.input)
        {
            op.activation = activation;
            return Some(op.into());
        }
        if let Op::DropoutBackward(mut op) = op
            && free(op.activation, op.input)
        {
            op.activation = activation;
            return Some(op.into());
        }
        if let Op::BatchNormalizeBackwardInput(mut op) = op
            && free(op.activation, op.input)
        {
            op.activation = activation;
            return Some(op.into());
        }
        if let Op::LayerNormalizeBackwardInput(mut op) = op
            && free(op.activation, op.input)
        {
            op.activation = activation;
            return Some(op.into());
        }
        if let Op::ActivityPenaltyGradient(mut op) = op
            && free(op.activation, op.value)
        {
            op.activation = activation;
            return Some(op.into());
        }
        if let Op::PointwiseLoss(mut op) = op
            && free(op.activation, op.outputs)
        {
            op.activation = activation;
            return Some(op.into());
        }
        None
    }
}
