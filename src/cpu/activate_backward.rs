//! CPU twin of `activate_backward.wgsl`.

use crate::number::Real;
use crate::operation::activation::Elementwise;

/// `input_gradient = output_gradient · activation'` for each of the rows of `units` values,
/// `stride` apart; `value` is what the derivative is told from.
pub fn activate_backward<T: Real>(
    output_gradient: &[T],
    value: &[T],
    input_gradient: &mut [T],
    [rows, units, stride]: [usize; 3],
    activation: Elementwise,
) {
    let read = output_gradient.chunks_exact(stride).zip(value.chunks_exact(stride));
    let rows = read.zip(input_gradient.chunks_exact_mut(stride)).take(rows);
    for ((gradient, value), to) in rows {
        for ((to, &gradient), &value) in to[..units].iter_mut().zip(gradient).zip(value) {
            *to = (gradient * activation.derivative(value)).flushed();
        }
    }
}
