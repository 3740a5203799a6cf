//! One form for what can be said in two: a cross-entropy is always computed from the logits.

use super::graph::Graph;
use crate::operation::LossFunction;
use crate::operation::Op;
use crate::operation::activation::Elementwise;
use crate::table::BufferId;

/// Moves each cross-entropy of a softmax's or a sigmoid's results to what goes into it: through
/// probabilities that have become 0 or 1 no gradient would pass.
///
/// It comes before the gradients: this is what a cross-entropy means here, no matter whether
/// operations are fused.
pub(super) fn losses_from_logits(graph: &mut Graph) {
    let softmax = |graph: &Graph, id: BufferId| match graph.made_by(id) {
        Some(Op::Softmax(softmax)) => softmax.input,
        _ => id,
    };
    let sigmoid = |graph: &Graph, id: BufferId| match graph.made_by(id) {
        Some(Op::Activate(made)) if made.activation == Elementwise::Sigmoid => made.input,
        _ => id,
    };
    for place in 0..graph.nodes.len() {
        let Some(node) = graph.nodes.get(place) else { continue };
        let op = if let Op::SoftmaxCrossentropy(mut loss) = node.op {
            loss.logits = softmax(graph, loss.logits);
            Op::from(loss)
        } else if let Op::CategoricalCrossentropy(mut loss) = node.op {
            loss.logits = softmax(graph, loss.logits);
            Op::from(loss)
        } else if let Op::PointwiseLoss(mut loss) = node.op
            && let LossFunction::BinaryCrossentropy { .. } = loss.function
        {
            loss.outputs = sigmoid(graph, loss.outputs);
            Op::from(loss)
        } else {
            continue;
        };
        if let Some(node) = graph.nodes.get_mut(place) {
            node.op = op;
        }
    }
}
