//! Softmax cross-entropy against a probability of each class.

use super::rows::{LossRows, RowLoss};
use crate::operation::metric::largest;
use crate::operation::prelude::*;
use crate::operation::softmax::row::softmax_row;

operation! {
    /// As [`SoftmaxCrossentropy`](super::SoftmaxCrossentropy), but against `targets[B,U]`, a
    /// probability of each class, which is smoothed:
    /// `smoothed = target · (1 - label_smoothing) + label_smoothing / U`. The class of a sample is
    /// that of its largest target, and
    /// `gradient = (softmax(logits) · sum over U of smoothed - smoothed) · weight · scale / live rows`.
    pub struct CategoricalCrossentropy("categorical_crossentropy") {
        read logits, read targets, read sample_weights, write loss, write counts, write gradient;
        scale: f64,
        label_smoothing: f64,
    }
}

impl CategoricalCrossentropy {
    fn rows(&self) -> LossRows {
        let &Self { logits, sample_weights, loss, counts, gradient, scale, .. } = self;
        LossRows { outputs: logits, sample_weights, loss, counts, gradient, scale }
    }
}

impl Operation for CategoricalCrossentropy {
    const IN_PARTS: InParts = InParts::Rows;
    const FLOPS: u32 = 10;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        shapes.rows([self.targets], shapes.columns(self.logits))?;
        self.rows().check(shapes)
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let shape = on.shape(self.logits);
        let label_smoothing = T::from_f64(self.label_smoothing);
        let spread = label_smoothing / T::from_f64(shape.columns as f64);
        let smoothed = |target: T| target * (T::ONE - label_smoothing) + spread;
        let targets = &*on.real(self.targets);
        self.rows().each(on, |row, logits, gradient| {
            let targets = &targets[row * shape.stride..][..shape.columns];
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

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let text =
            wgsl!["shared/dense", "shared/rows", "loss/categorical_crossentropy", "loss/each_row"];
        let constants = self.rows().constants(target, self.label_smoothing)?;
        Ok(Dispatch::new(self, text, constants, Grid::rows(32)))
    }
}
