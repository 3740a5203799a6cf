//! Softmax cross-entropy against class indices.

use super::rows::{LossRows, RowLoss};
use crate::operation::metric::largest;
use crate::operation::prelude::*;
use crate::operation::softmax::row::softmax_row;

operation! {
    /// Softmax cross-entropy of `logits[B,U]` against the class indices `labels[B]`: adds each
    /// sample's loss, times its weight, to `loss[B]`, adds 1 to `counts[B,0]` where the largest
    /// logit is the label's, notes in `counts[B,1]` the number of the first step in which a logit
    /// or the loss was not finite or the label was no class, and writes
    /// `gradient[B,U] = (softmax(logits) - onehot(labels)) · weight · scale / live rows`.
    pub struct SoftmaxCrossentropy("softmax_crossentropy") {
        read logits, read labels, read sample_weights, write loss, write counts, write gradient;
        scale: f64,
    }
}

impl SoftmaxCrossentropy {
    fn rows(&self) -> LossRows {
        let &Self { logits, sample_weights, loss, counts, gradient, scale, .. } = self;
        LossRows { outputs: logits, sample_weights, loss, counts, gradient, scale }
    }
}

impl Operation for SoftmaxCrossentropy {
    const IN_PARTS: InParts = InParts::Rows;
    const FLOPS: u32 = 8;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        shapes.indices([self.labels])?;
        self.rows().check(shapes)
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let labels = &*on.u32(self.labels);
        self.rows().each(on, |row, logits, gradient| {
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

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let text =
            wgsl!["shared/dense", "shared/rows", "loss/softmax_crossentropy", "loss/each_row"];
        let constants = self.rows().constants(target, 0.0)?;
        Ok(Dispatch::new(self, text, constants, Grid::rows(32)))
    }
}
