//! CPU twin of `activity_penalty.wgsl` and `activity_penalty_gradient.wgsl`.

use crate::number::Real;
use crate::operation::activation::Elementwise;

/// Adds `l1 · sum |value| + l2 · sum value²` to the loss of each of the rows of `units`
/// values, `stride` apart.
pub fn activity_penalty<T: Real>(
    value: &[T],
    loss: &mut [T],
    [rows, units, stride]: [usize; 3],
    [l1, l2]: [T; 2],
) {
    for (value, loss) in value.chunks_exact(stride).zip(loss).take(rows) {
        let mut sum = T::ZERO;
        for &x in &value[..units] {
            sum += l1 * if x < T::ZERO { -x } else { x } + l2 * x * x;
        }
        *loss += sum;
    }
}

/// `input_gradient = (l1 · sign(value) + 2 · l2 · value) · activation'(value) / rows` for each of
/// the rows of `units` values, `stride` apart, where `activation` made `value`.
pub fn activity_penalty_gradient<T: Real>(
    value: &[T],
    input_gradient: &mut [T],
    [rows, units, stride]: [usize; 3],
    [l1, l2]: [T; 2],
    activation: Elementwise,
) {
    let inverse_rows = T::ONE / T::from_f64(rows as f64);
    let rows = value.chunks_exact(stride).zip(input_gradient.chunks_exact_mut(stride)).take(rows);
    for (value, to) in rows {
        for (to, &x) in to[..units].iter_mut().zip(value) {
            let sign = match x {
                x if x > T::ZERO => T::ONE,
                x if x < T::ZERO => -T::ONE,
                _ => T::ZERO,
            };
            let slope = (l1 * sign + (l2 + l2) * x) * inverse_rows;
            *to = (slope * activation.derivative(x)).flushed();
        }
    }
}
