//! CPU twin of `amsgrad.wgsl`.

use super::adam::Adam;
use crate::number::Real;

/// Updates `parameters`, both moments and the largest second moment by `gradients`, element by
/// element.
pub fn amsgrad<T: Real>(
    gradients: &[T],
    [parameters, moment_1, moment_2, largest_moment_2]: [&mut [T]; 4],
    adam: Adam<T>,
) {
    let state = moment_1.iter_mut().zip(moment_2).zip(largest_moment_2);
    for ((&g, w), ((m, v), largest)) in gradients.iter().zip(parameters).zip(state) {
        adam.decay_moments(g, m, v);
        *largest = if *v > *largest { *v } else { *largest };
        *w = adam.updated(*w, *m, *largest);
    }
}
