//! The softmax of one row, for the operation and for the losses and metrics from logits.

use crate::number::Real;

/// What a value costs, as [`Threads`](crate::cpu::Threads) count it: an exponential.
pub(crate) const WORK: usize = 16;

/// Writes `softmax(input)` to `output`, of the same length. Returns the largest value of the input
/// and the logarithm of the sum of `exp(value - largest)`.
pub(crate) fn softmax_row<T: Real>(input: &[T], output: &mut [T]) -> (T, T) {
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

/// The largest value of the input and the logarithm of the sum of `exp(value - largest)`.
pub(crate) fn log_sum<T: Real>(input: &[T]) -> (T, T) {
    let largest = input.iter().copied().fold(input[0], |a, b| if b > a { b } else { a });
    let mut sum = T::ZERO;
    input.iter().for_each(|&input| sum += (input - largest).exp());
    (largest, sum.ln())
}
