//! `categorical_cross_entropy`.

use crate::operation::contract::operation;

operation! {
    /// The same against `targets[B,U]`, a probability of each class, smoothed:
    /// `target · (1 - label_smoothing) + label_smoothing / U`.
    pub struct CategoricalCrossEntropy("categorical_cross_entropy") {
        read logits, read targets, read sample_weights, write loss, write counts, write gradient;
        scale: f64,
        label_smoothing: f64,
    }
}
