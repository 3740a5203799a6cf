//! `adam`.

use super::rule::AdamRule;
use crate::operation::contract::operation;

operation! {
    /// [`Adam`](crate::Adam) over the whole flat parameter buffer, as the other updates below.
    pub struct Adam("adam") {
        read gradients, write parameters, write moment_1, write moment_2;
        rule: AdamRule,
    }
}
