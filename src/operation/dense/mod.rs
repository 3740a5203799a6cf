//! Dense layers: matrix products.

mod backward_input;
mod backward_weights;
mod cases;
mod forward;
mod gradient;
mod sample;
mod shape;
mod tile;

pub use backward_input::DenseBackwardInput;
pub use backward_weights::DenseBackwardWeights;
pub use forward::DenseForward;
