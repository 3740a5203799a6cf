//! metric

mod argmax;
mod binary_histogram;
mod confusion_matrix;
mod gradient;
mod pointwise_metric;
mod top_k;

pub use argmax::Argmax;
pub use binary_histogram::BinaryHistogram;
pub use confusion_matrix::ConfusionMatrix;
pub use pointwise_metric::PointwiseMetric;
pub use top_k::TopK;
