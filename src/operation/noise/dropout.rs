//! `dropout`.

use crate::operation::contract::operation;

operation! {
    /// `output[B,U] = input[B,U] · mask / (1 - rate)`; the mask is a pure function of the step's
    /// noise, the layer and the place, and drops the share `rate`.
    pub struct Dropout("dropout") {
        read input, write output;
        rate: f64,
        layer: u32,
    }
}

/// [`Dropout`] drops a value if its 32 random bits are below this.
pub fn dropout_threshold(rate: f64) -> u32 {
    // The cast saturates; a rate is below 1.
    (rate * 4_294_967_296.0) as u32
}
