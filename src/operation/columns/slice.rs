//! `slice`.

use crate::operation::contract::operation;

operation! {
    /// `output[B,N] = input[B, offset .. offset + N]`.
    pub struct Slice("slice") {
        read input, write output;
        offset: usize,
    }
}
