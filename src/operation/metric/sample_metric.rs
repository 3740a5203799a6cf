//! A metric that is given for each sample.

use super::rows::{MetricConstants, MetricRows};
use crate::operation::prelude::*;
use crate::operation::tape::{Differentiable, Rule};

operation! {
    /// `sums[B,0] += w · value[B,1]`, `sums[B,1] += w`, where `w` is the sample's weight if
    /// `weighted`, else 1.
    pub struct SampleMetric("sample_metric") {
        read value, read sample_weights, write sums;
        weighted: bool,
    }
}

impl SampleMetric {
    fn rows(&self) -> MetricRows {
        let &Self { value, sample_weights, sums, weighted } = self;
        MetricRows { predictions: value, sample_weights, sums, weighted }
    }
}

impl Operation for SampleMetric {
    const IN_PARTS: InParts = InParts::Rows;
    const FLOPS: u32 = 2;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        shapes.activations([self.value], 1)?;
        self.rows().check(shapes, 2)
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        self.rows().each(on, |_, value, sums, weight| {
            sums[0] += value[0] * weight;
            sums[1] += weight;
        });
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let constants = MetricConstants::new(target.columns(self.value)?, self.weighted);
        Ok(Dispatch::new(self, wgsl!["metric/sample_metric"], constants, Grid::rows(32)))
    }
}

impl Differentiable for SampleMetric {
    const RULE: Rule<Self> = Rule::Stops("metrics are watched, not trained");
}
