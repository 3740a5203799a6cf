//! `adagrad`.

use crate::operation::contract::operation;

operation! {
    /// [`Adagrad`](crate::Adagrad).
    pub struct Adagrad("adagrad") {
        read gradients, write parameters, write accumulator;
        epsilon: f64,
    }
}
