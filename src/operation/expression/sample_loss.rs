//! A loss that is told for each sample.

use crate::error::Result;
use crate::number::Real;
use crate::operation::contract::{Operation, operation};
use crate::operation::kernel::{Dispatch, Grid, RowConstants, Target, wgsl};
use crate::operation::run::Run;
use crate::operation::shapes::Shapes;
use crate::table::{Element, Rows};

operation! {
    /// Adds `value[B,1]`, times each sample's weight, to `loss[B]`, notes in `counts[B,1]` the number
    /// of the first step in which a value was not finite, and writes
    /// `gradient[B,1] = weight · scale / live rows`. It counts no right predictions in `counts[B,0]`.
    pub struct SampleLoss("sample_loss") {
        read value, read sample_weights, write loss, write counts, write gradient;
        scale: f64,
    }
}

impl Operation for SampleLoss {
    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        shapes.rows([self.value, self.sample_weights, self.loss, self.gradient], 1)?;
        shapes.metric(self.loss)?;
        shapes.expect(self.counts, Element::U32, Rows::Batch, 2)
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let (value, weights) = (on.real(self.value), on.real(self.sample_weights));
        let (mut loss, mut counts) = (on.real_mut(self.loss), on.u32_mut(self.counts));
        let mut gradient = on.real_mut(self.gradient);
        let [from, to] = [self.value, self.gradient].map(|id| on.shape(id).stride);
        let inverse_rows = T::ONE / T::from_f64(on.rows() as f64);
        let read = value.chunks_exact(from).zip(weights.iter());
        let sums = loss.iter_mut().zip(counts.chunks_exact_mut(2));
        let written = sums.zip(gradient.chunks_exact_mut(to));
        for ((value, &weight), ((loss, counts), gradient)) in read.zip(written).take(on.rows()) {
            let weighted = value[0] * weight;
            *loss += weighted;
            if counts[1] == 0 && !(value[0].is_finite() && weighted.is_finite()) {
                counts[1] = on.step.number as u32;
            }
            gradient[0] = (weight * T::from_f64(self.scale) * inverse_rows).flushed();
        }
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let text = wgsl!["shared/dense", "shared/rows", "shared/fold", "expression/sample_loss"];
        let columns = target.columns(self.value)?;
        let constants = RowConstants::new(columns).with(self.scale, 0.0);
        // One invocation for each row of four values.
        Ok(Dispatch::new(self, text, constants, Grid::elements(columns)))
    }
}
