//! CPU twin of `accumulate.wgsl`.

use crate::number::Real;

/// `accumulated += gradients`, element by element.
pub fn accumulate<T: Real>(gradients: &[T], accumulated: &mut [T]) {
    for (&g, sum) in gradients.iter().zip(accumulated) {
        *sum += g;
    }
}
