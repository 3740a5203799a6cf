//! `batch_normalize_backward`.

use crate::operation::contract::operation;

operation! {
    /// `gamma_gradient[U] = sum over B of output_gradient[B,U] · normalized[B,U]`,
    /// `beta_gradient[U] = sum over B of output_gradient`, with
    /// `normalized = (input - mean) / sqrt(variance + epsilon)`.
    pub struct BatchNormalizeBackward("batch_normalize_backward") {
        read output_gradient, read input, read mean, read variance, write gamma_gradient, write beta_gradient;
        epsilon: f64,
    }
}
