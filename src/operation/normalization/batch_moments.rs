//! `batch_moments`.

use crate::operation::contract::operation;

operation! {
    /// `mean[U] = sum over B of input[B,U] / B`, `variance[U] = sum over B of (input - mean)² / B`,
    /// over the live rows.
    pub struct BatchMoments("batch_moments") {
        read input, write mean, write variance;
    }
}
