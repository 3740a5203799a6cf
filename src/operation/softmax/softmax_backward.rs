//! `softmax_backward`.

use crate::operation::contract::operation;

operation! {
    /// `input_gradient[B,U] = value · (output_gradient - sum over U of output_gradient · value)`,
    /// where `value[B,U]` is what [`Softmax`] made.
    pub struct SoftmaxBackward("softmax_backward") {
        read output_gradient, read value, write input_gradient;
    }
}
