//! Metrics: sums of what a batch's predictions are worth.

mod argmax;
mod binary_histogram;
mod cases;
mod categorical_crossentropy_metric;
mod confusion_matrix;
mod function;
mod gradient;
mod pointwise_metric;
mod rows;
mod sample;
mod sample_metric;
mod softmax_crossentropy_metric;
mod thresholds;
mod top_k;

pub use argmax::Argmax;
pub(crate) use argmax::largest;
pub use binary_histogram::BinaryHistogram;
pub use categorical_crossentropy_metric::CategoricalCrossentropyMetric;
pub use confusion_matrix::ConfusionMatrix;
pub use function::MetricFunction;
pub use pointwise_metric::PointwiseMetric;
pub use sample_metric::SampleMetric;
pub use softmax_crossentropy_metric::SoftmaxCrossentropyMetric;
pub use thresholds::Thresholds;
pub use top_k::TopK;
