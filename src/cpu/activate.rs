//! CPU twin of `activate.wgsl` and, for the results of a matrix product, of what the dense kernels
//! do with them.

use crate::number::Real;
use crate::operation::activation::Elementwise;

/// `output = activation(input)` for each of the rows of `units` values, `stride` apart.
pub fn activate<T: Real>(
    input: &[T],
    output: &mut [T],
    [rows, units, stride]: [usize; 3],
    activation: Elementwise,
) {
    let rows = input.chunks_exact(stride).zip(output.chunks_exact_mut(stride)).take(rows);
    for (input, output) in rows {
        for (output, &x) in output[..units].iter_mut().zip(input) {
            *output = activation.value(x);
        }
    }
}

/// The same in place, for one row.
pub fn activate_row<T: Real>(values: &mut [T], activation: Elementwise) {
    activation.apply(values);
}
