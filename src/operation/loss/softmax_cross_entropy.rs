//! `softmax_cross_entropy`.

use crate::operation::contract::operation;

operation! {
    /// Softmax cross-entropy of `logits[B,U]` against the class indices `labels[B]`: adds each
    /// sample's loss, times its weight, to `loss[B]`, adds 1 to `counts[B,0]` where the largest
    /// logit is the label's, notes in `counts[B,1]` the number of the first step in which a logit
    /// or the loss was not finite or the label was no class, and writes
    /// `gradient[B,U] = (softmax(logits) - onehot(labels)) · weight · scale / live rows`.
    pub struct SoftmaxCrossEntropy("softmax_cross_entropy") {
        read logits, read labels, read sample_weights, write loss, write counts, write gradient;
        scale: f64,
    }
}
