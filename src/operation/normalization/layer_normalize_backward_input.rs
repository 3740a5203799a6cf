//! `layer_normalize_backward_input`.

use crate::operation::activation::Elementwise;
use crate::operation::contract::operation;

operation! {
    /// `input_gradient[B,U] = moments[B,1] · (g - mean over U of g - normalized · mean over U of
    /// (g · normalized)) · activation'(input)`, with `g = output_gradient · (gamma +
    /// gamma_offset)`, where the fused `activation` made `input[B,U]`. (Ba, Kiros and Hinton,
    /// "Layer normalization", 2016.)
    pub struct LayerNormalizeBackwardInput("layer_normalize_backward_input") {
        read output_gradient, read input, read moments, read gamma, write input_gradient;
        gamma_offset: f64,
        activation: Elementwise,
    }
}
