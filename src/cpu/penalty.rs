//! CPU twin of `penalty.wgsl`.

use crate::number::Real;

/// Adds `(l1 · sum |w| + l2 · sum w²) · live_rows` to the slot of `penalty` whose number is in its
/// last element, and counts on: nearly equal numbers added up one by one would all be rounded
/// alike.
pub fn penalty<T: Real>(weights: &[T], penalty: &mut [T], [l1, l2]: [T; 2], live_rows: T) {
    let Some((count, slots)) = penalty.split_last_mut() else { return };
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
    let place = count.to_f64() as usize % slots.len().max(1);
    if let Some(slot) = slots.get_mut(place) {
        *slot += total * live_rows;
    }
    *count = T::from_f64((place + 1) as f64);
}
