//! The softmax cross-entropy against class indices, watched.

use super::rows::{MetricConstants, MetricRows};
use crate::operation::prelude::*;
use crate::operation::softmax::row::log_sum;

operation! {
    /// `sums[B,0] += w · loss`, `sums[B,1] += w`, where `loss` is that of
    /// [`SoftmaxCrossentropy`](crate::operation::SoftmaxCrossentropy) of `logits[B,U]` against the
    /// class indices `labels[B]`, and `w` is the sample's weight if `weighted`, else 1. A label that
    /// is no class is taken for the last one: the loss has refused it.
    pub struct SoftmaxCrossentropyMetric("softmax_crossentropy_metric") {
        read logits, read labels, read sample_weights, write sums;
        weighted: bool,
    }
}

impl SoftmaxCrossentropyMetric {
    fn rows(&self) -> MetricRows {
        let &Self { logits, sample_weights, sums, weighted, .. } = self;
        MetricRows { predictions: logits, sample_weights, sums, weighted }
    }
}

impl Operation for SoftmaxCrossentropyMetric {
    const IN_PARTS: InParts = InParts::Rows;
    const FLOPS: u32 = 5;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        shapes.indices([self.labels])?;
        self.rows().check(shapes, 2)
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let labels = on.u32(self.labels);
        self.rows().each(on, |row, logits, sums, weight| {
            let label = (labels[row] as usize).min(logits.len() - 1);
            let (most, log_sum) = log_sum(logits);
            sums[0] += (log_sum + (most - logits[label])) * weight;
            sums[1] += weight;
        });
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let text = wgsl![
            "shared/metric",
            "shared/rows",
            "shared/log_sum",
            "metric/softmax_crossentropy_metric"
        ];
        let constants = MetricConstants::new(target.columns(self.logits)?, self.weighted);
        Ok(Dispatch::new(self, text, constants, Grid::rows(32)))
    }
}
