//! Sparse rows are no array of all their values, which is what a function of one sample takes.

use super::{SparseBackwardWeights, SparseForward};
use crate::operation::per_sample::without_sample_text;

without_sample_text!("its input is a sparse row, and the function takes all values of a sample":
    SparseForward);
without_sample_text!("it computes gradients": SparseBackwardWeights);
