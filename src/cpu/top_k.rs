//! CPU twin of `top_k.wgsl`.

use super::loss::largest;
use super::metric::row_weight;
use crate::number::Real;

/// `sums[B,2] += (weight · hit, weight)`, where a hit has fewer than `k` of the row of
/// `predictions[B,U]` greater than that of its label; the size is `[rows, units, stride]`.
pub fn top_k<T: Real>(
    predictions: &[T],
    labels: &[u32],
    weights: Option<&[T]>,
    sums: &mut [T],
    [rows, units, stride]: [usize; 3],
    k: usize,
) {
    let read = predictions.chunks_exact(stride).zip(labels).take(rows);
    for (row, ((values, &label), sums)) in read.zip(sums.chunks_exact_mut(2)).enumerate() {
        let values = &values[..units];
        // A label that is no class is no hit.
        let hit = values.get(label as usize).is_some_and(|own| {
            own.is_finite()
                && if k == 1 {
                    // On a tie only the first one is the prediction.
                    largest(values) == label as usize
                } else {
                    values.iter().filter(|&value| value > own).count() < k
                }
        });
        let weight = row_weight(weights, row);
        if hit {
            sums[0] += weight;
        }
        sums[1] += weight;
    }
}
