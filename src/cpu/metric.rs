//! What the twins of the metric kernels share.

use crate::number::Real;

/// What a row counts: its sample weight, or 1 where there are none.
pub fn row_weight<T: Real>(weights: Option<&[T]>, row: usize) -> T {
    weights.map_or(T::ONE, |weights| weights[row])
}
