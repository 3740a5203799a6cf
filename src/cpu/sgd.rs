//! CPU twin of `sgd.wgsl`.

use crate::number::Real;

/// The scalars of an update.
#[derive(Debug, Clone, Copy)]
pub struct Sgd<T> {
    /// The learning rate.
    pub step_size: T,
    /// Share of the velocity that is kept.
    pub momentum: T,
    /// Whether the step is Nesterov's.
    pub nesterov: bool,
    /// Share of each parameter that decays.
    pub decay: T,
}

/// Updates `parameters` and `velocity` by `gradients`, element by element.
pub fn sgd<T: Real>(gradients: &[T], [parameters, velocity]: [&mut [T]; 2], sgd: Sgd<T>) {
    for ((&g, w), velocity) in gradients.iter().zip(parameters).zip(velocity) {
        let step_down = sgd.step_size * g;
        *velocity = (sgd.momentum * *velocity - step_down).flushed();
        let change = if sgd.nesterov { step_down - sgd.momentum * *velocity } else { -*velocity };
        *w = (*w - *w * sgd.decay) - change;
    }
}
