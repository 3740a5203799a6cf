//! One form for what can be said in two: a cross-entropy is always computed from the logits, be it
//! a loss or a metric.

use super::graph::Graph;
use crate::operation::activation::Elementwise;
use crate::operation::{LossFunction, MetricFunction, Op};
use crate::table::BufferId;

/// Moves each cross-entropy of a softmax's or a sigmoid's results to what goes into it: through
/// probabilities that have become 0 or 1 no gradient would pass.
///
/// It comes before the gradients: this is what a cross-entropy means here, no matter whether
/// operations are fused.
pub(super) fn crossentropies_from_logits(graph: &mut Graph) {
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
        } else if let Op::SoftmaxCrossentropyMetric(mut metric) = node.op {
            metric.logits = softmax(graph, metric.logits);
            Op::from(metric)
        } else if let Op::CategoricalCrossentropyMetric(mut metric) = node.op {
            metric.logits = softmax(graph, metric.logits);
            Op::from(metric)
        } else if let Op::PointwiseMetric(mut metric) = node.op
            && let MetricFunction::BinaryCrossentropy { .. } = metric.function
        {
            metric.predictions = sigmoid(graph, metric.predictions);
            Op::from(metric)
        } else {
            continue;
        };
        if let Some(node) = graph.nodes.get_mut(place) {
            node.op = op;
        }
    }
}
