//! A loss that is given for each sample.

use super::rows::{LossRows, RowLoss};
use crate::operation::prelude::*;
use crate::operation::tape::{Differentiable, Rule};

operation! {
    /// Adds `value[B,1]`, times each sample's weight, to `loss[B]`, notes in `counts[B,1]` the number
    /// of the first step in which a value was not finite, and writes
    /// `gradient[B,1] = weight · scale / live rows`. It counts no right predictions in `counts[B,0]`.
    pub struct SampleLoss("sample_loss") {
        read value, read sample_weights, write loss, write counts, write gradient
        [read loss_scale];
        scale: f64,
    }
}

impl SampleLoss {
    fn rows(&self) -> LossRows {
        let &Self { value, sample_weights, loss, counts, gradient, loss_scale, scale } = self;
        LossRows { outputs: value, sample_weights, loss, counts, gradient, loss_scale, scale }
    }
}

impl Operation for SampleLoss {
    const IN_PARTS: InParts = InParts::Rows;
    const FLOPS: u32 = 3;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        shapes.activations([self.value], 1)?;
        self.rows().check(shapes)
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        self.rows().each(on, |_, value, gradient| {
            gradient[0] = T::ONE;
            RowLoss { loss: value[0], right: 0, finite: value[0].is_finite() }
        });
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let text = wgsl!["shared/dense", "shared/rows", "loss/sample_loss"];
        let constants = self.rows().constants(target, 0.0)?;
        Ok(Dispatch::new(self, text, constants, Grid::rows(32)).with_loss_scale(self.loss_scale))
    }
}

impl Differentiable for SampleLoss {
    const RULE: Rule<Self> = Rule::Begins(|op, tape| {
        tape.contribute(op.value, op.gradient);
        Ok(())
    });
}
