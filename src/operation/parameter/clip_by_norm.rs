//! `clip_by_norm`.

use crate::operation::contract::operation;

operation! {
    /// `gradient *= limit / max(norm, limit)`, with the square of the norm given.
    pub struct ClipByNorm("clip_by_norm") {
        read squared_norm, write gradient;
        limit: f64,
    }
}
