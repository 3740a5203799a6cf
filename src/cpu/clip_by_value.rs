//! CPU twin of `clip_by_value.wgsl`.

use crate::number::Real;

/// Moves each value into `[-limit, limit]`.
pub fn clip_by_value<T: Real>(gradient: &mut [T], limit: T) {
    for g in gradient {
        if *g > limit {
            *g = limit;
        } else if *g < -limit {
            *g = -limit;
        }
    }
}
