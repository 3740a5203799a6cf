//! `argmax`.

use crate::operation::contract::operation;

operation! {
    /// `index[B] = argmax over U of input[B,U]`, the first of several largest. NaN is passed
    /// over; a row of nothing else has the index 0.
    pub struct Argmax("argmax") {
        read input, write index;
    }
}
