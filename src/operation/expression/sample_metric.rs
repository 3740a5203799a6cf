//! A metric that is told for each sample.

use crate::error::Result;
use crate::number::Real;
use crate::operation::contract::{Operation, operation};
use crate::operation::kernel::{Dispatch, Grid, Target, wgsl};
use crate::operation::run::Run;
use crate::operation::shapes::Shapes;

operation! {
    /// `sums[B,0] += w · value[B,1]`, `sums[B,1] += w`, where `w` is the sample's weight, or 1 if the
    /// metric is not weighted.
    pub struct SampleMetric("sample_metric") {
        read value, read sample_weights, write sums;
        weighted: bool,
    }
}

impl Operation for SampleMetric {
    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        shapes.rows([self.value, self.sample_weights], 1)?;
        shapes.rows([self.sums], 2)?;
        shapes.metric(self.sums)
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let (value, weights) = (on.real(self.value), on.real(self.sample_weights));
        let mut sums = on.real_mut(self.sums);
        let read = value.chunks_exact(on.shape(self.value).stride).zip(weights.iter());
        for ((value, &weight), sums) in read.zip(sums.chunks_exact_mut(2)).take(on.rows()) {
            let weight = if self.weighted { weight } else { T::ONE };
            sums[0] += value[0] * weight;
            sums[1] += weight;
        }
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let text = wgsl!["shared/fold", "expression/sample_metric"];
        // One invocation for each row of four values.
        let grid = Grid::elements(target.columns(self.value)?);
        Ok(Dispatch::new(self, text, [u32::from(self.weighted)], grid))
    }
}
