//! Metrics have no gradient.

use super::{
    Argmax, BinaryHistogram, CategoricalCrossentropyMetric, ConfusionMatrix, PointwiseMetric,
    SoftmaxCrossentropyMetric, TopK,
};
use crate::operation::tape::{Differentiable, Rule};

impl Differentiable for Argmax {
    const RULE: Rule<Self> = Rule::Stops("an index does not change with small steps");
}

impl Differentiable for TopK {
    const RULE: Rule<Self> = Rule::Stops("metrics are watched, not trained");
}

impl Differentiable for PointwiseMetric {
    const RULE: Rule<Self> = Rule::Stops("metrics are watched, not trained");
}

impl Differentiable for BinaryHistogram {
    const RULE: Rule<Self> = Rule::Stops("metrics are watched, not trained");
}

impl Differentiable for ConfusionMatrix {
    const RULE: Rule<Self> = Rule::Stops("metrics are watched, not trained");
}

impl Differentiable for SoftmaxCrossentropyMetric {
    const RULE: Rule<Self> = Rule::Stops("metrics are watched, not trained");
}

impl Differentiable for CategoricalCrossentropyMetric {
    const RULE: Rule<Self> = Rule::Stops("metrics are watched, not trained");
}
