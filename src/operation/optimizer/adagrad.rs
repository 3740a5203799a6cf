//! Adagrad's update.

use super::rule::WORK;
use crate::operation::kernel::ParameterConstants;
use crate::operation::prelude::*;

operation! {
    /// The update of [`Adagrad`](crate::Adagrad).
    pub struct AdagradUpdate("adagrad") {
        read gradients, write parameters, write accumulator;
        epsilon: f64,
    }
}

impl Operation for AdagradUpdate {
    const IN_PARTS: InParts = InParts::NoRows;
    const FLOPS: u32 = 5;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        let arenas = [self.gradients, self.parameters, self.accumulator];
        shapes.vectors(arenas, shapes.columns(self.gradients))
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let [step_size, decay, epsilon] =
            [on.step.step_size, on.step.decay, self.epsilon].map(T::from_f64);
        let changed = [self.parameters, self.accumulator];
        on.each_slice(self.gradients, changed, WORK, |gradients, [parameters, accumulator]| {
            for ((&g, w), sum) in gradients.iter().zip(parameters).zip(accumulator) {
                *sum += g.flushed_square();
                let change = step_size * g / (*sum + epsilon).sqrt();
                *w = (*w - *w * decay) - change;
            }
        });
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let length = target.elements(self.gradients)?;
        let text = wgsl![
            "shared/fold",
            "shared/parameters",
            "optimizer/adagrad",
            "optimizer/each_parameter"
        ];
        let constants = ParameterConstants::new(length, [self.epsilon]);
        Ok(Dispatch::new(self, text, constants, Grid::parameters(length)))
    }
}
