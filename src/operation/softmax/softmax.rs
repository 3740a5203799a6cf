//! `softmax`.

use crate::operation::contract::operation;

operation! {
    /// `output[B,U] = softmax(input[B,U])`, row by row.
    pub struct Softmax("softmax") {
        read input, write output;
    }
}
