//! softmax

pub(crate) mod row;
mod softmax;
mod softmax_backward;

pub use softmax::Softmax;
pub use softmax_backward::SoftmaxBackward;
