//! Whether the label is among the largest predictions.

use super::argmax::largest;
use super::rows::{MetricConstants, MetricRows};
use crate::error::Error;
use crate::operation::kernel::size;
use crate::operation::prelude::*;

operation! {
    /// `sums[B,0] += w · hit`, `sums[B,1] += w`, where `w` is the sample's weight if `weighted`,
    /// else 1. A hit has fewer than `k` of `predictions[B,U]` greater than that of its class index
    /// `labels[B]`, as in Keras' `in_top_k`; with `k = 1` the label is the
    /// [`Argmax`](super::Argmax). A label that is no class, or whose prediction is not finite, is
    /// no hit.
    pub struct TopK("top_k") {
        read predictions, read labels, read sample_weights, write sums;
        k: usize,
        weighted: bool,
    }
}

impl TopK {
    fn rows(&self) -> MetricRows {
        let &Self { predictions, sample_weights, sums, weighted, .. } = self;
        MetricRows { predictions, sample_weights, sums, weighted }
    }
}

impl Operation for TopK {
    const IN_PARTS: InParts = InParts::Rows;
    const FLOPS: u32 = 1;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        shapes.indices([self.labels])?;
        self.rows().check(shapes, 2)?;
        if self.k == 0 {
            return Err(Error::argument("k", "is 0; give at least 1"));
        }
        Ok(())
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let labels = on.u32(self.labels);
        self.rows().each(on, |row, predictions, sums, weight| {
            let label = labels[row] as usize;
            let hit = predictions.get(label).is_some_and(|own| {
                own.is_finite()
                    && if self.k == 1 {
                        // On a tie only the first one is the prediction.
                        largest(predictions) == label
                    } else {
                        predictions.iter().filter(|&other| other > own).count() < self.k
                    }
            });
            if hit {
                sums[0] += weight;
            }
            sums[1] += weight;
        });
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let text = wgsl!["shared/metric", "shared/rows", "shared/largest", "metric/top_k"];
        let units = target.columns(self.predictions)?;
        let constants = MetricConstants::new(units, self.weighted).count(size(self.k)?);
        let one = f64::from(u8::from(self.k == 1));
        Ok(Dispatch::new(self, text, constants, Grid::rows(32)).overrides([("ONE", one)]))
    }
}
