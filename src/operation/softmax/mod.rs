//! softmax

mod gradient;
mod softmax;
mod softmax_backward;

pub use softmax::Softmax;
pub use softmax_backward::SoftmaxBackward;
