//! `activity_penalty`.

use crate::operation::contract::operation;

operation! {
    /// `loss[B] += l1 · sum over U of |value[B,U]| + l2 · sum over U of value²`.
    pub struct ActivityPenalty("activity_penalty") {
        read value, write loss;
        l1: f64,
        l2: f64,
    }
}
