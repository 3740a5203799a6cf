//! CPU twin of `squared_norm.wgsl`.

use crate::number::Real;

/// `sum = the sum of squares of gradient`, added to what was there before unless it is the first.
pub fn squared_norm<T: Real>(gradient: &[T], sum: &mut T, first: bool) {
    if first {
        *sum = T::ZERO;
    }
    // Sums of sums lose less than one long one.
    for part in gradient.chunks(64) {
        let mut squares = T::ZERO;
        for &g in part {
            squares += g.flushed_square();
        }
        *sum += squares;
    }
}
