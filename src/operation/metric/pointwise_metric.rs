//! Metrics that compare each prediction with a target of its own.

use super::function::MetricFunction;
use super::rows::{MetricConstants, MetricRows};
use crate::operation::prelude::*;

operation! {
    /// `sums[B,0] += w · mean over U of function(predictions[B,U], targets[B,U])`,
    /// `sums[B,1] += w`, where `w` is the sample's weight if `weighted`, else 1.
    pub struct PointwiseMetric("pointwise_metric") {
        read predictions, read targets, read sample_weights, write sums;
        function: MetricFunction,
        weighted: bool,
    }
}

impl PointwiseMetric {
    fn rows(&self) -> MetricRows {
        let &Self { predictions, sample_weights, sums, weighted, .. } = self;
        MetricRows { predictions, sample_weights, sums, weighted }
    }
}

impl Operation for PointwiseMetric {
    const IN_PARTS: InParts = InParts::Rows;
    const FLOPS: u32 = 4;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        shapes.rows([self.targets], shapes.columns(self.predictions))?;
        self.rows().check(shapes, 2)?;
        self.function.check()
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let shape = on.shape(self.predictions);
        let count = T::from_f64(shape.columns as f64);
        let targets = on.real(self.targets);
        self.rows().each(on, |row, predictions, sums, weight| {
            let mut total = T::ZERO;
            for (&prediction, &target) in predictions.iter().zip(&targets[row * shape.stride..]) {
                total += self.function.value(prediction, target);
            }
            sums[0] += total / count * weight;
            sums[1] += weight;
        });
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let text = wgsl!["shared/metric", "shared/rows", "metric/pointwise_metric"];
        let units = target.columns(self.predictions)?;
        let constants =
            MetricConstants::new(units, self.weighted).parameter(self.function.constant());
        Ok(Dispatch::new(self, text, constants, Grid::rows(32)).with_text([self.function.text()]))
    }
}
