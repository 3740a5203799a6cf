//! loss

mod activity_penalty;
mod activity_penalty_gradient;
mod categorical_cross_entropy;
mod gradient;
mod pointwise_loss;
mod softmax_cross_entropy;

pub use activity_penalty::ActivityPenalty;
pub use activity_penalty_gradient::ActivityPenaltyGradient;
pub use categorical_cross_entropy::CategoricalCrossEntropy;
pub use pointwise_loss::PointwiseLoss;
pub use softmax_cross_entropy::SoftmaxCrossEntropy;
