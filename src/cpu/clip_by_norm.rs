//! CPU twin of `clip_by_norm.wgsl`.

use crate::number::Real;

/// `gradient *= limit / max(norm, limit)`.
pub fn clip_by_norm<T: Real>(squared_norm: T, gradient: &mut [T], limit: T) {
    let norm = squared_norm.sqrt();
    if norm > limit {
        let scale = limit / norm;
        for g in gradient {
            *g = (*g * scale).flushed();
        }
    }
}
