//! `amsgrad`.

use super::rule::AdamRule;
use crate::operation::contract::operation;

operation! {
    /// [`Adam`](crate::Adam) with `amsgrad`.
    pub struct AmsGrad("amsgrad") {
        read gradients, write parameters, write moment_1, write moment_2, write largest_moment_2;
        rule: AdamRule,
    }
}
