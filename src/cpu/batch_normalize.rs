//! CPU twin of `batch_normalize.wgsl`, `batch_normalize_backward.wgsl` and
//! `batch_normalize_backward_input.wgsl`.

use crate::number::Real;
use crate::operation::activation::Elementwise;

/// What makes normalized values of each column.
#[derive(Debug, Clone, Copy)]
pub struct Moments<'a, T> {
    /// `[U]`.
    pub mean: &'a [T],
    /// `[U]`.
    pub variance: &'a [T],
    /// Added to the variance before its root is taken.
    pub epsilon: T,
}

/// What normalized values are multiplied by.
#[derive(Debug, Clone, Copy)]
pub struct Gamma<'a, T> {
    /// `[U]`.
    pub gamma: &'a [T],
    /// Added to each of them.
    pub offset: T,
}

impl<T: Real> Gamma<'_, T> {
    /// Of unit `i`.
    pub fn at(&self, i: usize) -> T {
        self.gamma[i] + self.offset
    }
}

impl<T: Real> Moments<'_, T> {
    fn deviation(&self, i: usize) -> T {
        (self.variance[i] + self.epsilon).sqrt()
    }

    fn normalized(&self, x: T, i: usize) -> T {
        (x - self.mean[i]) / self.deviation(i)
    }
}

/// `output = normalized · gamma + beta` for each of the rows of `units` values, `stride` apart.
pub fn batch_normalize<T: Real>(
    input: &[T],
    moments: Moments<'_, T>,
    gamma: Gamma<'_, T>,
    beta: &[T],
    output: &mut [T],
    [rows, units, stride]: [usize; 3],
) {
    let rows = input.chunks_exact(stride).zip(output.chunks_exact_mut(stride)).take(rows);
    for (input, output) in rows {
        for (i, (output, &x)) in output[..units].iter_mut().zip(input).enumerate() {
            *output = moments.normalized(x, i) * gamma.at(i) + beta[i];
        }
    }
}

/// `gamma_gradient = sum of output_gradient · normalized`, `beta_gradient = sum of
/// output_gradient`, over the rows of `units` values, `stride` apart.
pub fn batch_normalize_backward<T: Real>(
    output_gradient: &[T],
    input: &[T],
    moments: Moments<'_, T>,
    [gamma_gradient, beta_gradient]: [&mut [T]; 2],
    [rows, units, stride]: [usize; 3],
) {
    let (of_gamma, of_beta) = (&mut gamma_gradient[..units], &mut beta_gradient[..units]);
    of_gamma.fill(T::ZERO);
    of_beta.fill(T::ZERO);
    let rows = output_gradient.chunks_exact(stride).zip(input.chunks_exact(stride)).take(rows);
    for (gradient, input) in rows {
        for i in 0..units {
            of_gamma[i] += gradient[i] * moments.normalized(input[i], i);
            of_beta[i] += gradient[i];
        }
    }
    for sum in of_gamma.iter_mut().chain(of_beta) {
        *sum = sum.flushed();
    }
}

/// `input_gradient = gamma / deviation · (output_gradient - (beta_gradient + normalized ·
/// gamma_gradient) / rows) · activation'(input)` for each of the rows of `units` values, `stride`
/// apart, where `activation` made `input`.
#[allow(clippy::too_many_arguments, reason = "the operands of the kernel")]
pub fn batch_normalize_backward_input<T: Real>(
    output_gradient: &[T],
    input: &[T],
    moments: Moments<'_, T>,
    gamma: Gamma<'_, T>,
    [gamma_gradient, beta_gradient]: [&[T]; 2],
    input_gradient: &mut [T],
    [rows, units, stride]: [usize; 3],
    activation: Elementwise,
) {
    let inverse_rows = T::ONE / T::from_f64(rows as f64);
    let read = output_gradient.chunks_exact(stride).zip(input.chunks_exact(stride));
    let rows = read.zip(input_gradient.chunks_exact_mut(stride)).take(rows);
    for ((gradient, input), to) in rows {
        for i in 0..units {
            let normalized = moments.normalized(input[i], i);
            let taken = (beta_gradient[i] + normalized * gamma_gradient[i]) * inverse_rows;
            let scale = gamma.at(i) / moments.deviation(i);
            let slope = activation.derivative(input[i]);
            to[i] = (scale * (gradient[i] - taken) * slope).flushed();
        }
    }
}
