//! `batch_normalize_backward_input`.

use crate::operation::activation::Elementwise;
use crate::operation::contract::operation;

operation! {
    /// `input_gradient[B,U] = (gamma + gamma_offset) / sqrt(variance + epsilon) · (output_gradient -
    /// (beta_gradient + normalized · gamma_gradient) / live rows) · activation'(input)`, where the
    /// fused `activation` made `input[B,U]`, and `mean` and `variance` are those of this batch
    /// ([`BatchMoments`]). Where they are constants instead, both gradients
    /// are zeros. (Ioffe and Szegedy, "Batch normalization", 2015.)
    pub struct BatchNormalizeBackwardInput("batch_normalize_backward_input") {
        read output_gradient, read input, read mean, read variance, read gamma, read gamma_gradient, read beta_gradient, write input_gradient;
        epsilon: f64,
        gamma_offset: f64,
        activation: Elementwise,
    }
}
