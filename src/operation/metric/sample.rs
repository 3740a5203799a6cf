//! None of these operations is a part of a function of one sample.

use super::{
    Argmax, BinaryHistogram, CategoricalCrossentropyMetric, ConfusionMatrix, PointwiseMetric,
    SampleMetric, SoftmaxCrossentropyMetric, TopK,
};
use crate::operation::per_sample::without_sample_text;

without_sample_text!("it adds to a metric": Argmax, TopK, PointwiseMetric, BinaryHistogram, ConfusionMatrix, SampleMetric, SoftmaxCrossentropyMetric, CategoricalCrossentropyMetric);
