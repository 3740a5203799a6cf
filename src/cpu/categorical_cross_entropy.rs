//! CPU twin of `categorical_cross_entropy.wgsl`.

use super::loss::{Outputs, RowLoss, Rows, each_row, largest};
use super::softmax::softmax_row;
use crate::number::Real;

/// Loss, metrics and gradient of each row of logits against `targets[B,U]`, smoothed.
pub fn categorical_cross_entropy<T: Real>(
    logits: Rows<'_, T>,
    targets: &[T],
    outputs: Outputs<'_, T>,
    label_smoothing: T,
) {
    let Rows { units, stride, .. } = logits;
    let spread = label_smoothing / T::from_f64(units as f64);
    let smoothed = |target: T| target * (T::ONE - label_smoothing) + spread;
    each_row(logits, outputs, |row, logits, gradient| {
        let targets = &targets[row * stride..][..units];
        let (most, log_sum) = softmax_row(logits, gradient);
        let (mut loss, mut total) = (T::ZERO, T::ZERO);
        for (&target, &logit) in targets.iter().zip(logits) {
            loss += smoothed(target) * (log_sum + (most - logit));
            total += smoothed(target);
        }
        for (gradient, &target) in gradient.iter_mut().zip(targets) {
            *gradient = *gradient * total - smoothed(target);
        }
        RowLoss {
            loss,
            right: u32::from(largest(logits) == largest(targets)),
            finite: logits.iter().all(|logit| logit.is_finite()),
        }
    });
}
