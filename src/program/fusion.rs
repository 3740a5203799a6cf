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
        let dense = graph.nodes.iter_mut().find_map(|node| {
            let (output, activation) = match &mut node.op {
                Op::DenseForward(dense) => (dense.output, &mut dense.activation),
                Op::SparseForward(sparse) => (sparse.output, &mut sparse.activation),
                _ => return None,
            };
            let fits = output == activate.input && *activation == Elementwise::Linear;
            fits.then_some(activation)
        });
        if let Some(activation) = dense {
            *activation = activate.activation;
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
            Some(&(Derivative::Of(id) | Derivative::Sum(id) | Derivative::Unwanted(id))) => id,
            None => backward.value,
        };
        let mut push = |op: Op| nodes.push(Node { op, outside: Outside::Absent });
        let mut total = None;
        for output_gradient in parts {
            let input_gradient = graph.alike(backward.value, Derivative::Of(of))?;
            push(ActivateBackward { output_gradient, input_gradient, ..backward }.into());
            total = Some(match total {
                None => input_gradient,
                Some(first) => {
                    let output = graph.alike(backward.value, Derivative::Sum(of))?;
                    push(Add { first, second: input_gradient, output }.into());
                    output
                }
            });
        }
        place = nodes.len();
        nodes.append(&mut graph.nodes);
        graph.nodes = nodes;
        if let Some(total) = total {
            graph.replace(backward.input_gradient, total);
        }
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
    /// How often operations read `id`; an output counts as one.
    fn uses(&self, id: BufferId) -> usize {
        let reads = |op: &Op| op.reads().iter().filter(|&&read| read == id).count();
        let most = |node: &Node| node.forms().map(reads).max().unwrap_or(0);
        let outputs = self.outputs.iter().filter(|(_, output)| *output == id).count();
        self.nodes.iter().map(most).sum::<usize>() + outputs
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
        self.table.store(gradient, self.table.buffer(id).reals);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::testing::{dense, judge};
    use crate::program::{Affine, Initial, Options, Pass, Program, Value};

    const TANH: Elementwise = Elementwise::Tanh;
    const GELU: Elementwise = Elementwise::Gelu;

    fn compile(graph: Graph, fusion: bool) -> Program {
        let options = Options { fusion, reuse: false, state: &[] };
        crate::program::compile(graph, options).unwrap().builder.build()
    }

    /// How many operations of each name a model's gradients take: unfused, then fused. The model
    /// maps what `activation(dense(x))` makes to its output.
    fn counts(
        activation: Elementwise,
        rest: impl Fn(&mut Graph, &Value) -> Value,
        names: &[&str],
    ) -> [Vec<usize>; 2] {
        [false, true].map(|fuse| {
            let mut graph = Graph::new();
            let x = graph.input("x", &[4]).unwrap();
            let sums = dense(&mut graph, "first", &x);
            graph.scope("activation");
            let value = graph.activate(&sums, activation).unwrap();
            let output = rest(&mut graph, &value);
            judge(&mut graph, &output);
            graph.push_penalties().unwrap();
            let program = compile(graph, fuse);
            let ops = program.ops(Pass::Train);
            let count = |name: &&str| ops.iter().filter(|op| op.name() == *name).count();
            names.iter().map(count).collect()
        })
    }

    #[test]
    fn an_activation_that_its_result_tells_becomes_a_part_of_dense() {
        let last = |graph: &mut Graph, value: &Value| dense(graph, "last", value);
        let names = ["dense_forward", "activate", "activate_backward"];
        assert_eq!(counts(TANH, last, &names), [[2, 1, 1], [2, 0, 0]]);
        assert_eq!(counts(GELU, last, &names), [[2, 1, 1], [2, 1, 1]]);
    }

    #[test]
    fn a_value_that_is_read_elsewhere_too_keeps_its_activation_apart() {
        let mut graph = Graph::new();
        let x = graph.input("x", &[4]).unwrap();
        let sums = dense(&mut graph, "first", &x);
        graph.scope("activation");
        let value = graph.activate(&sums, TANH).unwrap();
        let output = graph.add(&sums, &value).unwrap();
        judge(&mut graph, &output);
        let program = compile(graph, true);
        let names: Vec<&str> = program.ops(Pass::Predict).iter().map(Op::name).collect();
        assert_eq!(names, ["dense_forward", "activate", "add"]);
    }

    /// Each operation that makes a gradient takes the derivative of the activation before it.
    #[test]
    fn a_derivative_becomes_a_part_of_what_makes_the_gradient() {
        type Rest = fn(&mut Graph, &Value) -> Value;
        let makers: [(&str, Rest); 6] = [
            ("dense_backward_input", |graph, value| dense(graph, "last", value)),
            ("dropout_backward", |graph, value| graph.dropout(value, 0.5).unwrap()),
            ("batch_normalize_backward_input", |graph, value| {
                let mean = graph.state("mean_state", Initial::Same(0.0, 4)).unwrap();
                let variance = graph.state("variance_state", Initial::Same(1.0, 4)).unwrap();
                let moving = [&mean, &variance];
                graph.batch_normalize(value, Affine::default(), moving, 0.9, 1e-3).unwrap()
            }),
            ("layer_normalize_backward_input", |graph, value| {
                graph.layer_normalize(value, Affine::default(), 1e-3).unwrap()
            }),
            ("pointwise_loss", |_, value| value.clone()),
            ("activity_penalty_gradient", |graph, value| {
                graph.penalize_activity(value, 0.5, 0.5).unwrap();
                value.clone()
            }),
        ];
        for (name, rest) in makers {
            let [unfused, fused] = counts(TANH, rest, &[name, "activate_backward"]);
            assert_eq!(unfused, [1, 1], "{name}");
            assert_eq!(fused, [1, 0], "{name}");
            let [_, fused] = counts(GELU, rest, &[name, "activate_backward"]);
            assert_eq!(fused, [1, 1], "{name}");
        }
    }

    #[test]
    fn a_derivative_is_distributed_over_a_sum_where_that_costs_nothing() {
        let names = ["activate_backward", "add", "slice"];
        let branches = |graph: &mut Graph, value: &Value| {
            let [left, right] = ["left", "right"].map(|name| dense(graph, name, value));
            graph.concatenate(&left, &right).unwrap()
        };
        assert_eq!(counts(TANH, branches, &names), [[1, 1, 2], [0, 1, 2]]);
        // One of the two gradients comes from a slice, which takes no derivative.
        let one = |graph: &mut Graph, value: &Value| {
            let left = dense(graph, "left", value);
            graph.concatenate(&left, value).unwrap()
        };
        assert_eq!(counts(TANH, one, &names), [[1, 1, 2], [1, 1, 2]]);
        // Of two slices the sum comes first: one derivative in the place of two.
        let both = |graph: &mut Graph, value: &Value| graph.concatenate(value, value).unwrap();
        assert_eq!(counts(TANH, both, &names), [[1, 1, 2], [1, 1, 2]]);
    }

    #[test]
    fn sums_pass_gradients_on_without_copies() {
        let rest = |graph: &mut Graph, value: &Value| {
            let other = dense(graph, "other", value);
            graph.add(value, &other).unwrap()
        };
        let names = ["activate_backward", "add"];
        // One sum forward, and one of the two gradients.
        assert_eq!(counts(GELU, rest, &names), [[1, 2], [1, 2]]);
    }
}
