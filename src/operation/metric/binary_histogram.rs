//! How many predictions lie between thresholds.

use super::rows::{MetricConstants, MetricRows};
use super::thresholds::Thresholds;
use crate::operation::kernel::size;
use crate::operation::prelude::*;

operation! {
    /// `sums[B, 2 · bucket + positive] += w` for each of `predictions[B,U]`, where `bucket` is that
    /// of the prediction between `thresholds`, `positive` is 1 where `targets[B,U]` is not 0, and
    /// `w` is the sample's weight if `weighted`, else 1. A NaN is in the first bucket.
    pub struct BinaryHistogram("binary_histogram") {
        read predictions, read targets, read sample_weights, write sums;
        thresholds: Thresholds,
        weighted: bool,
    }
}

impl BinaryHistogram {
    fn rows(&self) -> MetricRows {
        let &Self { predictions, sample_weights, sums, weighted, .. } = self;
        MetricRows { predictions, sample_weights, sums, weighted }
    }
}

impl Operation for BinaryHistogram {
    const IN_PARTS: InParts = InParts::Rows;
    const FLOPS: u32 = 1;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        self.thresholds.check()?;
        shapes.rows([self.targets], shapes.columns(self.predictions))?;
        self.rows().check(shapes, self.thresholds.buckets().saturating_mul(2))
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let stride = on.shape(self.predictions).stride;
        let targets = on.real(self.targets);
        self.rows().each(on, |row, predictions, sums, weight| {
            for (prediction, &target) in predictions.iter().zip(&targets[row * stride..]) {
                // In f32 whatever T is, as on the GPU and in Keras, so that what lies on a
                // threshold falls in one bucket everywhere.
                let bucket = self.thresholds.bucket(prediction.to_f64() as f32);
                sums[2 * bucket + usize::from(target != T::ZERO)] += weight;
            }
        });
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let text = wgsl!["shared/metric", "shared/rows", "metric/binary_histogram"];
        let (even, threshold) = match self.thresholds {
            Thresholds::One(threshold) => (false, threshold),
            Thresholds::Even(_) => (true, 0.0),
        };
        let constants = MetricConstants::new(target.columns(self.predictions)?, self.weighted)
            .count(size(self.thresholds.buckets())?)
            .parameter(threshold);
        Ok(Dispatch::new(self, text, constants, Grid::rows(32))
            .overrides([("EVEN", f64::from(u8::from(even)))]))
    }
}
