//! `take_mean`.

use crate::operation::contract::operation;

operation! {
    /// `gradients = accumulated / steps`, then `accumulated = 0`, over the whole flat arenas.
    pub struct TakeMean("take_mean") {
        write accumulated, write gradients;
        steps: usize,
    }
}
