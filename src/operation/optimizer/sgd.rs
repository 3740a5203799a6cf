//! The update of gradient descent.

use super::rule::WORK;
use crate::operation::kernel::ParameterConstants;
use crate::operation::prelude::*;

operation! {
    /// The update of [`Sgd`](crate::Sgd).
    pub struct SgdUpdate("sgd") {
        read gradients, write parameters, write velocity;
        momentum: f64,
        nesterov: bool,
    }
}

impl Operation for SgdUpdate {
    const IN_PARTS: InParts = InParts::NoRows;
    const FLOPS: u32 = 6;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        let arenas = [self.gradients, self.parameters, self.velocity];
        shapes.vectors(arenas, shapes.columns(self.gradients))
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let [step_size, decay, momentum] =
            [on.step.step_size, on.step.decay, self.momentum].map(T::from_f64);
        let changed = [self.parameters, self.velocity];
        on.each_slice(self.gradients, changed, WORK, |gradients, [parameters, velocity]| {
            for ((&g, w), velocity) in gradients.iter().zip(parameters).zip(velocity) {
                let step_down = step_size * g;
                *velocity = (momentum * *velocity - step_down).flushed();
                let change =
                    if self.nesterov { step_down - momentum * *velocity } else { -*velocity };
                *w = (*w - *w * decay) - change;
            }
        });
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let length = target.elements(self.gradients)?;
        let text =
            wgsl!["shared/fold", "shared/parameters", "optimizer/sgd", "optimizer/each_parameter"];
        let constants = ParameterConstants::new(length, [self.momentum]);
        Ok(Dispatch::new(self, text, constants, Grid::parameters(length))
            .overrides([("NESTEROV", f64::from(self.nesterov))]))
    }
}
