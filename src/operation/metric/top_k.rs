//! `top_k`.

use crate::operation::contract::operation;

operation! {
    /// `sums[B,0] += w · hit`, `sums[B,1] += w`, where `w` is the sample's weight, or 1 unless
    /// `weighted`, here and in what follows. A hit has fewer than `k` of `predictions[B,U]` greater
    /// than that of its class index `labels[B]`, as in Keras' `in_top_k`; with `k = 1` that of the
    /// label is the [`Argmax`]. A label that is no class, or whose prediction is not finite,
    /// is no hit.
    pub struct TopK("top_k") {
        read predictions, read labels, read sample_weights, write sums;
        k: usize,
        weighted: bool,
    }
}
