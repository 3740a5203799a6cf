//! CPU twin of `binary_histogram.wgsl`.

use super::metric::row_weight;
use crate::number::Real;
use crate::operation::Thresholds;

/// `sums[B, 2 · bucket + positive] += weight` for each of `predictions[B,U]` and its target; the
/// size is `[rows, units, stride]`.
pub fn binary_histogram<T: Real>(
    predictions: &[T],
    targets: &[T],
    weights: Option<&[T]>,
    sums: &mut [T],
    [rows, units, stride]: [usize; 3],
    thresholds: Thresholds,
) {
    let columns = 2 * thresholds.buckets();
    let read = predictions.chunks_exact(stride).zip(targets.chunks_exact(stride)).take(rows);
    for (row, ((values, targets), sums)) in read.zip(sums.chunks_exact_mut(columns)).enumerate() {
        let weight = row_weight(weights, row);
        for (prediction, &target) in values[..units].iter().zip(targets) {
            // In f32 whatever T is, as on the GPU and in Keras, so that what lies on a threshold
            // falls in one bucket everywhere.
            let bucket = thresholds.bucket(prediction.to_f64() as f32);
            sums[2 * bucket + usize::from(target != T::ZERO)] += weight;
        }
    }
}
