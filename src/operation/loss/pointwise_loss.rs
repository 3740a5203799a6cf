//! `pointwise_loss`.

use crate::loss::PointwiseLoss as Function;
use crate::operation::activation::Elementwise;
use crate::operation::contract::operation;

operation! {
    /// A loss of each of `outputs[B,U]` against a target of its own, the mean over U, with
    /// weights, metrics and gradient as above; `gradient[B,U]` is that before `activation`, which
    /// made the outputs. `counts[B,0]` counts the right outputs of a binary cross-entropy.
    pub struct PointwiseLoss("pointwise_loss") {
        read outputs, read targets, read sample_weights, write loss, write counts, write gradient;
        scale: f64,
        function: Function,
        activation: Elementwise,
    }
}
