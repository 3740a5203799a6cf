//! `activity_penalty_gradient`.

use crate::operation::activation::Elementwise;
use crate::operation::contract::operation;

operation! {
    /// `input_gradient[B,U] = (l1 · sign(value) + 2 · l2 · value) · activation'(value) / live rows`,
    /// where the fused `activation` made `value[B,U]`.
    pub struct ActivityPenaltyGradient("activity_penalty_gradient") {
        read value, write input_gradient;
        activation: Elementwise,
        l1: f64,
        l2: f64,
    }
}
