//! Losses that compare each output with a target of its own.

use super::function::LossFunction;
use super::rows::{LossRows, RowLoss};
use crate::operation::activation::Elementwise;
use crate::operation::prelude::*;

operation! {
    /// Adds `weight · mean over U of function(outputs[B,U], targets[B,U])` to `loss[B]`, and to
    /// `counts[B,0]` how many of the outputs are right; notes in `counts[B,1]` the number of the
    /// first step in which an output or the loss was not finite. Writes
    /// `gradient[B,U] = function' · activation' / U · weight · scale / live rows`, where
    /// `activation` is the function that made the outputs, and its derivative is computed from
    /// them.
    pub struct PointwiseLoss("pointwise_loss") {
        read outputs, read targets, read sample_weights, write loss, write counts, write gradient;
        scale: f64,
        function: LossFunction,
        activation: Elementwise,
    }
}

impl PointwiseLoss {
    fn rows(&self) -> LossRows {
        let &Self { outputs, sample_weights, loss, counts, gradient, scale, .. } = self;
        LossRows { outputs, sample_weights, loss, counts, gradient, scale }
    }
}

impl Operation for PointwiseLoss {
    const IN_PARTS: InParts = InParts::Rows;
    const FLOPS: u32 = 8;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        shapes.fused(self.activation)?;
        shapes.rows([self.targets], shapes.columns(self.outputs))?;
        self.rows().check(shapes)
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let shape = on.shape(self.outputs);
        let inverse_units = T::ONE / T::from_f64(shape.columns as f64);
        let targets = &*on.real(self.targets);
        self.rows().each(on, |row, outputs, gradient| {
            let targets = &targets[row * shape.stride..][..shape.columns];
            let (mut sum, mut right) = (T::ZERO, 0);
            for ((&y, &target), gradient) in outputs.iter().zip(targets).zip(gradient) {
                let [loss, slope] = self.function.loss_and_slope(y, target);
                sum += loss;
                *gradient = slope * self.activation.derivative(y) * inverse_units;
                right += u32::from(self.function.is_right(y, target));
            }
            RowLoss {
                loss: sum * inverse_units,
                right,
                finite: outputs.iter().all(|output| output.is_finite()),
            }
        });
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let text = wgsl!["shared/dense", "shared/rows", "loss/pointwise_loss", "loss/each_row"];
        let constants = self.rows().constants(target, self.function.constant())?;
        Ok(Dispatch::new(self, text, constants, Grid::rows(32))
            .with_text(self.activation.text())
            .overrides(self.activation.overrides())
            .with_text([self.function.text()]))
    }
}
