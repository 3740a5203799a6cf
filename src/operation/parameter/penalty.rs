//! `penalty`.

use crate::operation::contract::operation;

operation! {
    /// `(l1 · sum |weight| + l2 · sum weight²) · live rows`, added to the next slot of `penalty`.
    pub struct Penalty("penalty") {
        read weight, write penalty;
        l1: f64,
        l2: f64,
    }
}
