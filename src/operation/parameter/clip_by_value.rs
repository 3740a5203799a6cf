//! `clip_by_value`.

use crate::operation::contract::operation;

operation! {
    /// Moves each value of the gradient into `[-limit, limit]`.
    pub struct ClipByValue("clip_by_value") {
        write gradient;
        limit: f64,
    }
}
