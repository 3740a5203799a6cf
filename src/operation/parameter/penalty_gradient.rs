//! The derivative of a weight's regularizer.

use crate::error::Result;
use crate::number::Real;
use crate::operation::contract::{InParts, Operation, operation};
use crate::operation::kernel::{Dispatch, Grid, ParameterConstants, Target, wgsl};
use crate::operation::run::Run;
use crate::operation::shapes::Shapes;

operation! {
    /// `weight_gradient += l1 · sign(weight) + 2 · l2 · weight`.
    pub struct PenaltyGradient("penalty_gradient") {
        read weight, write weight_gradient;
        l1: f64,
        l2: f64,
    }
}

impl Operation for PenaltyGradient {
    const IN_PARTS: InParts = InParts::NoRows;
    const FLOPS: u32 = 4;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        shapes.parameters([self.weight, self.weight_gradient])
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let [l1, l2] = [self.l1, self.l2].map(T::from_f64);
        let (weight, mut gradient) = (on.real(self.weight), on.real_mut(self.weight_gradient));
        for (&w, gradient) in weight.iter().zip(gradient.iter_mut()) {
            let sign = match w {
                w if w > T::ZERO => T::ONE,
                w if w < T::ZERO => -T::ONE,
                _ => T::ZERO,
            };
            *gradient += l1 * sign + (l2 + l2) * w;
        }
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let length = target.elements(self.weight)?;
        let text = wgsl!["shared/fold", "parameter/penalty_gradient"];
        let constants = ParameterConstants::new(length, [self.l1, self.l2]);
        Ok(Dispatch::new(self, text, constants, Grid::parameters(length)))
    }
}
