//! CPU twin of `penalty_gradient.wgsl`.

use crate::number::Real;

/// Adds `l1 · sign(w) + 2 · l2 · w` to `gradient`, element by element.
pub fn penalty_gradient<T: Real>(weights: &[T], gradient: &mut [T], [l1, l2]: [T; 2]) {
    for (&w, gradient) in weights.iter().zip(gradient) {
        let sign = match w {
            w if w > T::ZERO => T::ONE,
            w if w < T::ZERO => -T::ONE,
            _ => T::ZERO,
        };
        *gradient += l1 * sign + (l2 + l2) * w;
    }
}
