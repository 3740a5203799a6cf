//! CPU twin of `take_mean.wgsl`.

use crate::number::Real;

/// `gradients = accumulated / steps`, then `accumulated = 0`, element by element.
pub fn take_mean<T: Real>(accumulated: &mut [T], gradients: &mut [T], steps: T) {
    for (sum, g) in accumulated.iter_mut().zip(gradients) {
        *g = (*sum / steps).flushed();
        *sum = T::ZERO;
    }
}
