//! CPU twin of `add.wgsl`.

use crate::number::Real;

/// `output = first + second` for each of the rows of `units` values, `stride` apart.
pub fn add<T: Real>(
    first: &[T],
    second: &[T],
    output: &mut [T],
    [rows, units, stride]: [usize; 3],
) {
    let read = first.chunks_exact(stride).zip(second.chunks_exact(stride));
    let rows = read.zip(output.chunks_exact_mut(stride)).take(rows);
    for ((first, second), output) in rows {
        for ((output, &a), &b) in output[..units].iter_mut().zip(first).zip(second) {
            *output = a + b;
        }
    }
}
