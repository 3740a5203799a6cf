//! CPU twin of `softmax_cross_entropy.wgsl`.

use super::loss::{Outputs, RowLoss, Rows, each_row, largest};
use super::softmax::softmax_row;
use crate::number::Real;

/// Loss, metrics and gradient `(softmax - onehot) · weight / rows` of each row of logits against
/// its class index.
pub fn softmax_cross_entropy<T: Real>(
    logits: Rows<'_, T>,
    labels: &[u32],
    outputs: Outputs<'_, T>,
) {
    each_row(logits, outputs, |row, logits, gradient| {
        // A label that is no class makes the row non-finite; it reaches nothing else.
        let label = (labels[row] as usize).min(logits.len() - 1);
        let known = label == labels[row] as usize;
        let (most, log_sum) = softmax_row(logits, gradient);
        gradient[label] = gradient[label] - T::ONE;
        RowLoss {
            loss: log_sum + (most - logits[label]),
            right: u32::from(largest(logits) == label),
            finite: known && logits.iter().all(|logit| logit.is_finite()),
        }
    });
}
