//! CPU twin of `adagrad.wgsl`.

use crate::number::Real;

/// The scalars of an update.
#[derive(Debug, Clone, Copy)]
pub struct Adagrad<T> {
    /// The learning rate.
    pub step_size: T,
    /// Added to the accumulator before its root is taken.
    pub epsilon: T,
    /// Share of each parameter that decays.
    pub decay: T,
}

/// Updates `parameters` and `accumulator` by `gradients`, element by element.
pub fn adagrad<T: Real>(
    gradients: &[T],
    [parameters, accumulator]: [&mut [T]; 2],
    adagrad: Adagrad<T>,
) {
    for ((&g, w), sum) in gradients.iter().zip(parameters).zip(accumulator) {
        *sum += g.flushed_square();
        let change = adagrad.step_size * g / (*sum + adagrad.epsilon).sqrt();
        *w = (*w - *w * adagrad.decay) - change;
    }
}
