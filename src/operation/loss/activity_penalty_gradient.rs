//! The gradient of what an activity regularizer costs.

use crate::error::Result;
use crate::number::Real;
use crate::operation::activation::Elementwise;
use crate::operation::contract::{InParts, Operation, operation};
use crate::operation::kernel::{Dispatch, Grid, RowConstants, Target, wgsl};
use crate::operation::loss_scale::LossScale;
use crate::operation::run::Run;
use crate::operation::shapes::Shapes;

operation! {
    /// `input_gradient[B,U] = (l1 · sign(value) + 2 · l2 · value) · activation' / live rows`, where
    /// `activation` is the function that made `value[B,U]`, and its derivative is computed from
    /// that result.
    pub struct ActivityPenaltyGradient("activity_penalty_gradient") {
        read value, write input_gradient [read loss_scale];
        activation: Elementwise,
        l1: f64,
        l2: f64,
    }
}

impl Operation for ActivityPenaltyGradient {
    const IN_PARTS: InParts = InParts::Rows;
    const FLOPS: u32 = 4;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        shapes.fused(self.activation)?;
        shapes.loss_scale(self.loss_scale)?;
        shapes.activations([self.value, self.input_gradient], shapes.columns(self.value))
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let shape = on.shape(self.value);
        let [l1, l2] = [self.l1, self.l2].map(T::from_f64);
        let inverse_rows = T::ONE / T::from_f64(on.step.batch_rows as f64);
        let scale = on.loss_scale(self.loss_scale, LossScale::Scale, T::ONE);
        let (value, mut gradient) = (on.real(self.value), on.real_mut(self.input_gradient));
        let rows = value.chunks_exact(shape.stride).zip(gradient.chunks_exact_mut(shape.stride));
        for (value, gradient) in rows.take(shape.rows) {
            for (gradient, &x) in gradient[..shape.columns].iter_mut().zip(value) {
                let sign = match x {
                    x if x > T::ZERO => T::ONE,
                    x if x < T::ZERO => -T::ONE,
                    _ => T::ZERO,
                };
                let slope = (l1 * sign + (l2 + l2) * x) * (scale * inverse_rows);
                *gradient = (slope * self.activation.derivative(x)).flushed();
            }
        }
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let text = wgsl![
            "shared/activity",
            "shared/rows",
            "shared/fold",
            "shared/elements",
            "loss/activity_penalty_gradient"
        ];
        let units = target.columns(self.value)?;
        let constants = RowConstants::new(units).with(self.l1, self.l2);
        Ok(Dispatch::new(self, text, constants, Grid::elements(units))
            .with_loss_scale(self.loss_scale)
            .with_text(self.activation.text())
            .overrides(self.activation.overrides()))
    }
}
