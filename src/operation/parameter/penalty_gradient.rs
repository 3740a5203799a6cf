//! `penalty_gradient`.

use crate::operation::contract::operation;

operation! {
    /// `weight_gradient += l1 · sign(weight) + 2 · l2 · weight`.
    pub struct PenaltyGradient("penalty_gradient") {
        read weight, write weight_gradient;
        l1: f64,
        l2: f64,
    }
}
