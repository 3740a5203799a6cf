//! Losses, each with its gradient, and penalties on activities.

mod activity_penalty;
mod activity_penalty_gradient;
mod cases;
mod categorical_crossentropy;
mod function;
mod gradient;
mod pointwise_loss;
mod rows;
mod sample;
mod sample_loss;
mod softmax_crossentropy;

pub use activity_penalty::ActivityPenalty;
pub use activity_penalty_gradient::ActivityPenaltyGradient;
pub use categorical_crossentropy::CategoricalCrossentropy;
pub use function::LossFunction;
pub use pointwise_loss::PointwiseLoss;
pub use sample_loss::SampleLoss;
pub use softmax_crossentropy::SoftmaxCrossentropy;
