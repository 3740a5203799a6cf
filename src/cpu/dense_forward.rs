//! CPU twin of `dense_forward_*.wgsl`.

use super::activate::activate_row;
use super::shape::Dense;
use crate::number::{Matrix, Real};
use crate::operation::activation::Elementwise;

/// `output[B,U] = activation(input[B,I] · weight[I,U] + bias[U])`.
pub fn dense_forward<T: Real>(
    input: &[T],
    weight: &[T],
    bias: &[T],
    output: &mut [T],
    shape: Dense,
    activation: Elementwise,
) {
    let Dense { rows, inputs, units, input_stride, unit_stride } = shape;
    let output = &mut output[..rows * unit_stride];
    for row in output.chunks_exact_mut(unit_stride) {
        row.copy_from_slice(&bias[..unit_stride]);
    }
    T::gemm(
        [rows, inputs, units],
        Matrix::new(input, input_stride),
        Matrix::new(weight, unit_stride),
        T::ONE,
        Matrix::new(&mut *output, unit_stride),
    );
    for row in output.chunks_exact_mut(unit_stride) {
        activate_row(&mut row[..units], activation);
    }
}
