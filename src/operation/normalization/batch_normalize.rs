//! `batch_normalize`.

use crate::operation::contract::operation;

operation! {
    /// `output[B,U] = (input[B,U] - mean[U]) / sqrt(variance[U] + epsilon) · (gamma[U] +
    /// gamma_offset) + beta[U]`. `gamma_offset` is 1 where a layer has no gamma and zeros stand in
    /// its place, else 0.
    pub struct BatchNormalize("batch_normalize") {
        read input, read mean, read variance, read gamma, read beta, write output;
        epsilon: f64,
        gamma_offset: f64,
    }
}
