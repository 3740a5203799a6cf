//! `dropout_backward`.

use crate::operation::activation::Elementwise;
use crate::operation::contract::operation;

operation! {
    /// `input_gradient[B,U] = output_gradient[B,U] · mask / (1 - rate) · activation'(input)`,
    /// where the fused `activation` made `input[B,U]`.
    pub struct DropoutBackward("dropout_backward") {
        read output_gradient, read input, write input_gradient;
        activation: Elementwise,
        rate: f64,
        layer: u32,
    }
}
