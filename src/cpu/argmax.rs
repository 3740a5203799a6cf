//! CPU twin of `argmax.wgsl`.

use super::loss::largest;
use crate::number::Real;

/// `index[B]` = the place of the largest of each row of `input[B,U]`; the size is
/// `[rows, units, stride]`.
pub fn argmax<T: Real>(input: &[T], index: &mut [u32], [rows, units, stride]: [usize; 3]) {
    for (index, row) in index.iter_mut().zip(input.chunks_exact(stride)).take(rows) {
        *index = largest(&row[..units]) as u32;
    }
}
