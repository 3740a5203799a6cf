//! CPU twin of `moving_average.wgsl`.

use crate::number::Real;

/// `average = average · kept + value · added`, element by element.
pub fn moving_average<T: Real>(value: &[T], average: &mut [T], [kept, added]: [T; 2]) {
    for (average, &value) in average.iter_mut().zip(value) {
        *average = (*average * kept + value * added).flushed();
    }
}
