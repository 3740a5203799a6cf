//! CPU twin of `rms_prop.wgsl`.

use crate::number::Real;

/// The scalars of an update.
#[derive(Debug, Clone, Copy)]
pub struct RmsProp<T> {
    /// The learning rate.
    pub step_size: T,
    /// `1 - rho`.
    pub one_minus_rho: T,
    /// Share of the velocity that is kept.
    pub momentum: T,
    /// Added to the mean square before its root is taken.
    pub epsilon: T,
    /// Whether the square of the mean is taken off the mean square.
    pub centered: bool,
    /// Share of each parameter that decays.
    pub decay: T,
}

/// Updates `parameters`, both means and `velocity` by `gradients`, element by element.
pub fn rms_prop<T: Real>(
    gradients: &[T],
    [parameters, mean_square, mean_gradient, velocity]: [&mut [T]; 4],
    rms_prop: RmsProp<T>,
) {
    let RmsProp { step_size, one_minus_rho, momentum, epsilon, centered, decay } = rms_prop;
    let state = mean_square.iter_mut().zip(mean_gradient).zip(velocity);
    for ((&g, w), ((square, mean), velocity)) in gradients.iter().zip(parameters).zip(state) {
        *square = (*square + (g.flushed_square() - *square) * one_minus_rho).flushed();
        let mut variance = *square;
        if centered {
            *mean = (*mean + (g - *mean) * one_minus_rho).flushed();
            variance = *square - mean.flushed_square();
            // Rounding may take it below zero, where it has no root.
            variance = if variance > T::ZERO { variance } else { T::ZERO };
        }
        let root = (variance + epsilon).sqrt();
        *velocity = (momentum * *velocity + step_size * g / root).flushed();
        *w = (*w - *w * decay) - *velocity;
    }
}
