//! CPU twin of `dense_backward_input_*.wgsl`.

use super::shape::Dense;
use crate::number::{Matrix, Real};
use crate::operation::activation::Elementwise;

/// `input_gradient[B,I] = (output_gradient[B,U] · weightᵀ) ⊙ activation'(input[B,I])`, where
/// `input` is the activation's result.
pub fn dense_backward_input<T: Real>(
    output_gradient: &[T],
    weight: &[T],
    input: &[T],
    input_gradient: &mut [T],
    shape: Dense,
    activation: Elementwise,
) {
    let Dense { rows, inputs, units, input_stride, unit_stride } = shape;
    T::gemm(
        [rows, units, inputs],
        Matrix::new(output_gradient, unit_stride),
        Matrix::new(weight, unit_stride).transposed(),
        T::ZERO,
        Matrix::new(&mut *input_gradient, input_stride),
    );
    let gradients = input_gradient[..rows * input_stride].iter_mut().zip(input);
    if activation == Elementwise::Relu {
        // The most common one in a loop of its own, which the compiler makes vectors of.
        for (gradient, &y) in gradients {
            *gradient = if y > T::ZERO { gradient.flushed() } else { T::ZERO };
        }
        return;
    }
    for (gradient, &y) in gradients {
        *gradient = (*gradient * activation.derivative(y)).flushed();
    }
}
