//! CPU twin of `softmax.wgsl`.

use crate::number::Real;

/// `output = softmax(input)` for each of the rows of `units` values, `stride` apart.
pub fn softmax<T: Real>(input: &[T], output: &mut [T], rows: usize, units: usize, stride: usize) {
    let rows = input.chunks_exact(stride).zip(output.chunks_exact_mut(stride)).take(rows);
    for (input, output) in rows {
        softmax_row(&input[..units], &mut output[..units]);
    }
}

/// One row; returns `(largest value, log of the sum of exp(value - largest))`.
pub fn softmax_row<T: Real>(input: &[T], output: &mut [T]) -> (T, T) {
    // Subtracting the largest value first keeps exp from overflowing.
    let largest = input.iter().copied().fold(input[0], |a, b| if b > a { b } else { a });
    let mut sum = T::ZERO;
    for (output, &input) in output.iter_mut().zip(input) {
        *output = (input - largest).exp();
        sum += *output;
    }
    for output in output {
        *output = *output / sum;
    }
    (largest, sum.ln())
}
