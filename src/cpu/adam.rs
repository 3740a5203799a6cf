//! CPU twin of `adam.wgsl`.

use super::real::Real;

/// The scalars of an Adam update.
#[derive(Debug, Clone, Copy)]
pub struct Adam<T> {
    /// `learning_rate · bias_correction`.
    pub step_size: T,
    /// `1 - beta_1`.
    pub one_minus_beta_1: T,
    /// `1 - beta_2`.
    pub one_minus_beta_2: T,
    /// Added to the root of the second moment.
    pub epsilon: T,
}

/// Updates `parameters` and both moments by `gradients`, element by element.
pub fn adam<T: Real>(
    gradients: &[T],
    parameters: &mut [T],
    moment_1: &mut [T],
    moment_2: &mut [T],
    adam: Adam<T>,
) {
    let state = moment_1.iter_mut().zip(moment_2);
    for ((&g, w), (m, v)) in gradients.iter().zip(parameters).zip(state) {
        *m += (g - *m) * adam.one_minus_beta_1;
        *v += (g * g - *v) * adam.one_minus_beta_2;
        *w = *w - adam.step_size * *m / (v.sqrt() + adam.epsilon);
    }
}
