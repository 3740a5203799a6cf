//! `sgd`.

use crate::operation::contract::operation;

operation! {
    /// [`Sgd`](crate::Sgd).
    pub struct Sgd("sgd") {
        read gradients, write parameters, write velocity;
        momentum: f64,
        nesterov: bool,
    }
}
