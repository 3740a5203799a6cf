//! Pieces of graphs for the tests of this folder.

use super::graph::{Graph, Value};
use super::initializer::Initializer;
use crate::operation::LossFunction;
use crate::operation::PointwiseLoss;
use crate::operation::activation::Elementwise;
use crate::table::{Element, Role, Rows};

/// A dense layer of 4 units without a bias.
pub(super) fn dense(graph: &mut Graph, name: &str, input: &Value) -> Value {
    let scope = graph.scope(name);
    let initializer = Initializer::GlorotUniform;
    let weight = graph.matrix("weight", [input.columns(), 4], initializer, true).unwrap();
    let value = graph.dense(input, &weight, None).unwrap();
    graph.scope(&scope);
    value
}

/// A squared error of `value`, the model's output.
pub(super) fn judge(graph: &mut Graph, outputs: &Value) {
    graph.output("y", outputs);
    let mut rows =
        |name: &str, role, columns| graph.rows(name.into(), role, Element::Real, columns).unwrap();
    let targets = rows("targets", Role::Target, outputs.columns());
    let sample_weights = rows("sample_weights", Role::SampleWeight, 1);
    let loss = rows("loss", Role::Metric, 1);
    let counts = graph.metric("counts".into(), Element::U32, Rows::Batch, 2).unwrap();
    let gradient = graph.gradient(outputs).unwrap();
    let loss = PointwiseLoss {
        outputs: outputs.buffer(),
        targets,
        sample_weights,
        loss,
        counts,
        gradient,
        loss_scale: None,
        scale: 1.0,
        function: LossFunction::MeanSquaredError,
        activation: Elementwise::Linear,
    };
    graph.push(loss).unwrap();
}
