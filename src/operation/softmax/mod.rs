//! Softmax and the gradient through it.

mod backward;
mod cases;
mod forward;
mod gradient;
pub(crate) mod row;
mod sample;

pub use backward::SoftmaxBackward;
pub use forward::Softmax;
