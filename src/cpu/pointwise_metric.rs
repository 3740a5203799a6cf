//! CPU twin of `pointwise_metric.wgsl`.

use super::metric::row_weight;
use crate::number::Real;
use crate::operation::MetricFunction as PointwiseMetric;

/// `sums[B,2] += (weight · mean, weight)`, with the mean over the units of each row of
/// `predictions[B,U]` against `targets[B,U]`; the size is `[rows, units, stride]`.
pub fn pointwise_metric<T: Real>(
    predictions: &[T],
    targets: &[T],
    weights: Option<&[T]>,
    sums: &mut [T],
    [rows, units, stride]: [usize; 3],
    function: PointwiseMetric,
) {
    let count = T::from_f64(units as f64);
    let read = predictions.chunks_exact(stride).zip(targets.chunks_exact(stride)).take(rows);
    for (row, ((values, targets), sums)) in read.zip(sums.chunks_exact_mut(2)).enumerate() {
        let mut total = T::ZERO;
        for (&prediction, &target) in values[..units].iter().zip(targets) {
            total += metric_of(function, prediction, target);
        }
        let weight = row_weight(weights, row);
        sums[0] += total / count * weight;
        sums[1] += weight;
    }
}

fn metric_of<T: Real>(function: PointwiseMetric, prediction: T, target: T) -> T {
    let error = prediction - target;
    match function {
        PointwiseMetric::SquaredError => error * error,
        PointwiseMetric::AbsoluteError => {
            if error < T::ZERO {
                -error
            } else {
                error
            }
        }
        PointwiseMetric::BinaryAccuracy { threshold } => {
            let positive = prediction > T::from_f32(threshold as f32);
            let predicted = if positive { T::ONE } else { T::ZERO };
            if predicted == target { T::ONE } else { T::ZERO }
        }
    }
}
