//! CPU twin of `adam.wgsl`.

use crate::number::Real;

/// The scalars of an Adam update.
#[derive(Debug, Clone, Copy)]
pub struct Adam<T> {
    /// The learning rate, bias-corrected.
    pub step_size: T,
    /// What the root of the second moment is multiplied by.
    pub root_scale: T,
    /// `1 - beta_1`.
    pub one_minus_beta_1: T,
    /// `1 - beta_2`.
    pub one_minus_beta_2: T,
    /// Added to the root of the second moment.
    pub epsilon: T,
    /// Share of each parameter that decays.
    pub decay: T,
}

impl<T: Real> Adam<T> {
    /// Moves both moments towards the gradient and its square.
    pub fn decay_moments(&self, g: T, m: &mut T, v: &mut T) {
        *m = (*m + (g - *m) * self.one_minus_beta_1).flushed();
        *v = (*v + (g.flushed_square() - *v) * self.one_minus_beta_2).flushed();
    }

    /// The parameter after its decay and its update.
    pub fn updated(&self, w: T, m: T, v: T) -> T {
        let root = v.sqrt() * self.root_scale + self.epsilon;
        (w - w * self.decay) - self.step_size * m / root
    }
}

/// Updates `parameters` and both moments by `gradients`, element by element.
pub fn adam<T: Real>(
    gradients: &[T],
    [parameters, moment_1, moment_2]: [&mut [T]; 3],
    adam: Adam<T>,
) {
    let state = moment_1.iter_mut().zip(moment_2);
    for ((&g, w), (m, v)) in gradients.iter().zip(parameters).zip(state) {
        adam.decay_moments(g, m, v);
        *w = adam.updated(*w, *m, *v);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_what_no_longer_learns_decay_to_zero_and_are_never_subnormal() {
        let scalars = Adam {
            step_size: 1e-3,
            root_scale: 1.0,
            one_minus_beta_1: 0.1,
            one_minus_beta_2: 1e-3,
            epsilon: 1e-7,
            decay: 0.0,
        };
        // Gradients that vanish, that shrink, and that stay so small that their square does not
        // fit.
        let mut gradients: [f32; 3] = [0.0, 1e-5, 1e-20];
        let (mut w, mut m, mut v) = ([0.5; 3], [1e-3f32; 3], [1e-6f32; 3]);
        for _ in 0..100_000 {
            gradients[1] = (gradients[1] * 0.99).flushed();
            adam(&gradients, [&mut w, &mut m, &mut v], scalars);
            assert!(m.iter().chain(&v).all(|value| !value.is_subnormal()), "{m:?} {v:?}");
        }
        assert_eq!((m[0], v), (0.0, [0.0; 3]));
        assert!((0.0..1e-18).contains(&m[2]), "{m:?}");
    }
}
