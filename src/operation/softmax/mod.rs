//! Softmax and the gradient through it.

mod backward;
mod cases;
mod forward;
pub(crate) mod row;

pub use backward::SoftmaxBackward;
pub use forward::Softmax;
