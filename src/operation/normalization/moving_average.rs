//! `moving_average`.

use crate::operation::contract::operation;

operation! {
    /// `average[U] = average · momentum + value[U] · (1 - momentum)`.
    pub struct MovingAverage("moving_average") {
        read value, write average;
        momentum: f64,
    }
}
