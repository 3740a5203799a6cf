//! CPU twin of `softmax_backward.wgsl`.

use crate::number::Real;

/// `input_gradient = value · (output_gradient - sum of output_gradient · value)` for each of the
/// rows of `units` values, `stride` apart; `value` is the softmax.
pub fn softmax_backward<T: Real>(
    output_gradient: &[T],
    value: &[T],
    input_gradient: &mut [T],
    [rows, units, stride]: [usize; 3],
) {
    let read = output_gradient.chunks_exact(stride).zip(value.chunks_exact(stride));
    let rows = read.zip(input_gradient.chunks_exact_mut(stride)).take(rows);
    for ((gradient, value), to) in rows {
        let mut sum = T::ZERO;
        for (&gradient, &value) in gradient[..units].iter().zip(value) {
            sum += gradient * value;
        }
        for ((to, &gradient), &value) in to[..units].iter_mut().zip(gradient).zip(value) {
            *to = (value * (gradient - sum)).flushed();
        }
    }
}
