//! `accumulate`.

use crate::operation::contract::operation;

operation! {
    /// `accumulated += gradients` over the whole flat arenas.
    pub struct Accumulate("accumulate") {
        read gradients, write accumulated;
    }
}
