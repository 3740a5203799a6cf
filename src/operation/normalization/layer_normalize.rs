//! `layer_normalize`.

use crate::operation::contract::operation;

operation! {
    /// `moments[B,2] = (mean, 1 / sqrt(variance + epsilon))` of each row of `input[B,U]`, the
    /// variance divided by U; `output[B,U] = (input - mean) · moments[B,1] · (gamma[U] +
    /// gamma_offset) + beta[U]`, with `gamma_offset` as in [`BatchNormalize`].
    pub struct LayerNormalize("layer_normalize") {
        read input, read gamma, read beta, write output, write moments;
        epsilon: f64,
        gamma_offset: f64,
    }
}
