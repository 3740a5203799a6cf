//! The gradients of gamma and beta, which both normalizations compute alike.

use crate::number::Real;
use crate::operation::run::Run;
use crate::table::BufferId;

/// Writes `gamma_gradient[U] = sum over B of output_gradient · normalized` and
/// `beta_gradient[U] = sum over B of output_gradient`. `normalized` takes a row, a unit and the
/// value of `input` there.
pub(super) fn parameter_gradients<T: Real>(
    on: &Run<'_, T>,
    [output_gradient, input]: [BufferId; 2],
    [gamma_gradient, beta_gradient]: [BufferId; 2],
    normalized: impl Fn(usize, usize, T) -> T,
) {
    let shape = on.shape(input);
    let (output_gradient, input) = (on.real(output_gradient), on.real(input));
    let (mut gamma_gradient, mut beta_gradient) =
        (on.real_mut(gamma_gradient), on.real_mut(beta_gradient));
    let gamma_gradient = &mut gamma_gradient[..shape.columns];
    let beta_gradient = &mut beta_gradient[..shape.columns];
    gamma_gradient.fill(T::ZERO);
    beta_gradient.fill(T::ZERO);
    let rows = output_gradient.chunks_exact(shape.stride).zip(input.chunks_exact(shape.stride));
    for (row, (gradient, input)) in rows.take(shape.rows).enumerate() {
        for i in 0..shape.columns {
            gamma_gradient[i] += gradient[i] * normalized(row, i, input[i]);
            beta_gradient[i] += gradient[i];
        }
    }
    for sum in gamma_gradient.iter_mut().chain(beta_gradient) {
        *sum = sum.flushed();
    }
}
