//! CPU twin of `penalty.wgsl`.

use super::real::Real;

/// Adds `(l1 · sum |w| + l2 · sum w²) · live_rows` to `penalty`.
pub fn penalty<T: Real>(weights: &[T], penalty: &mut T, [l1, l2]: [T; 2], live_rows: T) {
    let of = |w: T| l1 * if w < T::ZERO { -w } else { w } + l2 * w * w;
    let mut total = T::ZERO;
    // Sums of sums lose less than one long one.
    for part in weights.chunks(64) {
        let mut sum = T::ZERO;
        for &w in part {
            sum += of(w);
        }
        total += sum;
    }
    *penalty += total * live_rows;
}
