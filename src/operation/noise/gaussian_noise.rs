//! `gaussian_noise`.

use crate::operation::contract::operation;

operation! {
    /// `output[B,U] = input[B,U] + standard_deviation · z`, with `z` of the standard normal
    /// distribution: a pure function of the step's noise, the layer and the place.
    pub struct GaussianNoise("gaussian_noise") {
        read input, write output;
        standard_deviation: f64,
        layer: u32,
    }
}
