//! `binary_histogram`.

use crate::metric::Thresholds;
use crate::operation::contract::operation;

operation! {
    /// `sums[B, 2 · bucket + positive] += w` for each of `predictions[B,U]`, where `bucket` is that
    /// of the prediction between `thresholds`, and `positive` is 1 where `targets[B,U]` is not 0.
    /// A NaN is in the first bucket.
    pub struct BinaryHistogram("binary_histogram") {
        read predictions, read targets, read sample_weights, write sums;
        thresholds: Thresholds,
        weighted: bool,
    }
}
