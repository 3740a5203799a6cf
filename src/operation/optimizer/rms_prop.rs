//! `rms_prop`.

use crate::operation::contract::operation;

operation! {
    /// [`RmsProp`](crate::RmsProp).
    pub struct RmsProp("rms_prop") {
        read gradients, write parameters, write mean_square, write mean_gradient, write velocity;
        rho: f64,
        momentum: f64,
        epsilon: f64,
        centered: bool,
    }
}
