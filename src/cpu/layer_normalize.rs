//! CPU twin of `layer_normalize.wgsl`, `layer_normalize_backward.wgsl` and
//! `layer_normalize_backward_input.wgsl`.

use super::batch_normalize::Gamma;
use crate::number::Real;
use crate::operation::activation::Elementwise;

/// `[B,2]`: each row's mean, and 1 by its deviation.
#[derive(Debug)]
pub struct Moments<S> {
    /// The elements.
    pub rows: S,
    /// Elements from one row to the next.
    pub stride: usize,
}

/// `output = normalized · gamma + beta` for each of the rows of `units` values, `stride` apart, and
/// the moments that normalize each row.
pub fn layer_normalize<T: Real>(
    input: &[T],
    gamma: Gamma<'_, T>,
    beta: &[T],
    output: &mut [T],
    moments: Moments<&mut [T]>,
    [rows, units, stride]: [usize; 3],
    epsilon: T,
) {
    let count = T::from_f64(units as f64);
    let written =
        output.chunks_exact_mut(stride).zip(moments.rows.chunks_exact_mut(moments.stride));
    let rows = input.chunks_exact(stride).zip(written).take(rows);
    for (input, (output, moments)) in rows {
        let input = &input[..units];
        let mean = sum(input.iter().copied()) / count;
        let variance = sum(input.iter().map(|&x| (x - mean) * (x - mean))) / count;
        let inverse = T::ONE / (variance + epsilon).sqrt();
        [moments[0], moments[1]] = [mean, inverse];
        for (i, (output, &x)) in output.iter_mut().zip(input).enumerate() {
            *output = (x - mean) * inverse * gamma.at(i) + beta[i];
        }
    }
}

/// `gamma_gradient = sum of output_gradient · normalized`, `beta_gradient = sum of
/// output_gradient`, over the rows of `units` values, `stride` apart.
pub fn layer_normalize_backward<T: Real>(
    output_gradient: &[T],
    input: &[T],
    moments: Moments<&[T]>,
    [gamma_gradient, beta_gradient]: [&mut [T]; 2],
    [rows, units, stride]: [usize; 3],
) {
    let (of_gamma, of_beta) = (&mut gamma_gradient[..units], &mut beta_gradient[..units]);
    of_gamma.fill(T::ZERO);
    of_beta.fill(T::ZERO);
    let read = output_gradient.chunks_exact(stride).zip(input.chunks_exact(stride));
    let rows = read.zip(moments.rows.chunks_exact(moments.stride)).take(rows);
    for ((gradient, input), moments) in rows {
        for i in 0..units {
            of_gamma[i] += gradient[i] * ((input[i] - moments[0]) * moments[1]);
            of_beta[i] += gradient[i];
        }
    }
    for sum in of_gamma.iter_mut().chain(of_beta) {
        *sum = sum.flushed();
    }
}

/// `input_gradient = inverse deviation · (g - mean of g - normalized · mean of (g · normalized)) ·
/// activation'(input)`, `g = output_gradient · gamma`, for each of the rows of `units` values,
/// `stride` apart, where `activation` made `input`.
pub fn layer_normalize_backward_input<T: Real>(
    output_gradient: &[T],
    input: &[T],
    moments: Moments<&[T]>,
    gamma: Gamma<'_, T>,
    input_gradient: &mut [T],
    [rows, units, stride]: [usize; 3],
    activation: Elementwise,
) {
    let count = T::from_f64(units as f64);
    let read = output_gradient.chunks_exact(stride).zip(input.chunks_exact(stride));
    let read = read.zip(moments.rows.chunks_exact(moments.stride));
    let rows = read.zip(input_gradient.chunks_exact_mut(stride)).take(rows);
    for (((gradient, input), moments), to) in rows {
        let [mean, inverse] = [moments[0], moments[1]];
        let g = |i: usize| gradient[i] * gamma.at(i);
        let normalized = |i: usize| (input[i] - mean) * inverse;
        let mean_g = sum((0..units).map(g)) / count;
        let mean_product = sum((0..units).map(|i| g(i) * normalized(i))) / count;
        for (i, to) in to[..units].iter_mut().enumerate() {
            let inner = g(i) - mean_g - normalized(i) * mean_product;
            *to = (inverse * inner * activation.derivative(input[i])).flushed();
        }
    }
}

fn sum<T: Real>(terms: impl Iterator<Item = T>) -> T {
    terms.fold(T::ZERO, |sum, term| sum + term)
}
