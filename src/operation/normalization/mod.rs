//! Normalization: values less their mean, divided by their standard deviation. A batch normalization
//! does so for each column over the batch, a layer normalization for each row over its units.

mod batch_moments;
mod batch_normalize;
mod batch_normalize_backward;
mod batch_normalize_backward_input;
mod cases;
mod gradient;
mod layer_normalize;
mod layer_normalize_backward;
mod layer_normalize_backward_input;
mod moments;
mod moving_average;
mod parameter_gradients;
mod sample;

pub use batch_moments::BatchMoments;
pub use batch_normalize::BatchNormalize;
pub use batch_normalize_backward::BatchNormalizeBackward;
pub use batch_normalize_backward_input::BatchNormalizeBackwardInput;
pub use layer_normalize::LayerNormalize;
pub use layer_normalize_backward::LayerNormalizeBackward;
pub use layer_normalize_backward_input::LayerNormalizeBackwardInput;
pub use moving_average::MovingAverage;
