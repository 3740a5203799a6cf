//! CPU twin of `activate.wgsl` and, for the results of a matrix product, of what the dense kernels
//! do with them.

use super::activation::{apply, relu};
use super::real::Real;
use crate::activation::Elementwise;

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
            *output = apply(x, activation);
        }
    }
}

/// The same in place, for one row.
pub fn activate_row<T: Real>(values: &mut [T], activation: Elementwise) {
    match activation {
        Elementwise::Linear => {}
        // The most common one in a loop of its own, which the compiler makes vectors of.
        Elementwise::Relu => values.iter_mut().for_each(|value| *value = relu(*value)),
        _ => values.iter_mut().for_each(|value| *value = apply(*value, activation)),
    }
}
