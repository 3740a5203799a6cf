//! The softmax cross-entropy against a probability of each class, watched.

use super::rows::{MetricConstants, MetricRows};
use crate::operation::prelude::*;
use crate::operation::softmax::row::log_sum;

operation! {
    /// As [`SoftmaxCrossentropyMetric`](super::SoftmaxCrossentropyMetric), but against
    /// `targets[B,U]`, a probability of each class, smoothed as in
    /// [`CategoricalCrossentropy`](crate::operation::CategoricalCrossentropy).
    pub struct CategoricalCrossentropyMetric("categorical_crossentropy_metric") {
        read logits, read targets, read sample_weights, write sums;
        label_smoothing: f64,
        weighted: bool,
    }
}

impl CategoricalCrossentropyMetric {
    fn rows(&self) -> MetricRows {
        let &Self { logits, sample_weights, sums, weighted, .. } = self;
        MetricRows { predictions: logits, sample_weights, sums, weighted }
    }
}

impl Operation for CategoricalCrossentropyMetric {
    const IN_PARTS: InParts = InParts::Rows;
    const FLOPS: u32 = 6;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        shapes.rows([self.targets], shapes.columns(self.logits))?;
        self.rows().check(shapes, 2)
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let shape = on.shape(self.logits);
        let label_smoothing = T::from_f64(self.label_smoothing);
        let spread = label_smoothing / T::from_f64(shape.columns as f64);
        let targets = on.real(self.targets);
        self.rows().each(on, |row, logits, sums, weight| {
            let (most, log_sum) = log_sum(logits);
            let mut loss = T::ZERO;
            for (&target, &logit) in targets[row * shape.stride..].iter().zip(logits) {
                let smoothed = target * (T::ONE - label_smoothing) + spread;
                loss += smoothed * (log_sum + (most - logit));
            }
            sums[0] += loss * weight;
            sums[1] += weight;
        });
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let text = wgsl![
            "shared/metric",
            "shared/rows",
            "shared/log_sum",
            "metric/categorical_crossentropy_metric"
        ];
        let constants = MetricConstants::new(target.columns(self.logits)?, self.weighted)
            .parameter(self.label_smoothing);
        Ok(Dispatch::new(self, text, constants, Grid::rows(32)))
    }
}
