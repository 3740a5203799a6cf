//! CPU twin of `dense_backward_weights_*.wgsl`.

use super::shape::Dense;
use crate::number::{Matrix, Real};

/// `weight_gradient[I,U] = inputᵀ · output_gradient`, `bias_gradient[U] = column sums of
/// output_gradient[B,U]`.
pub fn dense_backward_weights<T: Real>(
    input: &[T],
    output_gradient: &[T],
    weight_gradient: &mut [T],
    bias_gradient: &mut [T],
    shape: Dense,
) {
    let Dense { rows, inputs, units, input_stride, unit_stride } = shape;
    T::gemm(
        [inputs, rows, units],
        Matrix::new(input, input_stride).transposed(),
        Matrix::new(output_gradient, unit_stride),
        T::ZERO,
        Matrix::new(weight_gradient, unit_stride),
    );
    bias_gradient.fill(T::ZERO);
    for row in output_gradient.chunks_exact(unit_stride).take(rows) {
        for (sum, &gradient) in bias_gradient.iter_mut().zip(row) {
            *sum += gradient;
        }
    }
}
