//! `squared_norm`.

use crate::operation::contract::operation;

operation! {
    /// `sum = sum of squares of gradient`, added to what was there before unless it is the first.
    pub struct SquaredNorm("squared_norm") {
        read gradient, write sum;
        first: bool,
    }
}
