//! `concatenate`.

use crate::operation::contract::operation;

operation! {
    /// `output[B,M+N] = first[B,M]` beside `second[B,N]`.
    pub struct Concatenate("concatenate") {
        read first, read second, write output;
    }
}
