//! RMSprop's update.

use super::rule::WORK;
use crate::operation::kernel::ParameterConstants;
use crate::operation::prelude::*;

operation! {
    /// The update of [`RmsProp`](crate::RmsProp).
    pub struct RmsPropUpdate("rms_prop") {
        read gradients, write parameters, write mean_square, write mean_gradient, write velocity;
        rho: f64,
        momentum: f64,
        epsilon: f64,
        centered: bool,
    }
}

impl Operation for RmsPropUpdate {
    const IN_PARTS: InParts = InParts::NoRows;
    const FLOPS: u32 = 12;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        let state = [self.mean_square, self.mean_gradient, self.velocity];
        let columns = shapes.columns(self.gradients);
        shapes.vectors([self.gradients, self.parameters], columns)?;
        shapes.vectors(state, columns)
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let [step_size, decay] = [on.step.step_size, on.step.decay].map(T::from_f64);
        let [one_minus_rho, momentum, epsilon] =
            [1.0 - self.rho, self.momentum, self.epsilon].map(T::from_f64);
        let changed = [self.parameters, self.mean_square, self.mean_gradient, self.velocity];
        on.each_slice(
            self.gradients,
            changed,
            WORK,
            |gradients, [parameters, square, mean, velocity]| {
                let state = square.iter_mut().zip(mean).zip(velocity);
                for ((&g, w), ((square, mean), velocity)) in
                    gradients.iter().zip(parameters).zip(state)
                {
                    *square = (*square + (g.flushed_square() - *square) * one_minus_rho).flushed();
                    let mut variance = *square;
                    if self.centered {
                        *mean = (*mean + (g - *mean) * one_minus_rho).flushed();
                        variance = *square - mean.flushed_square();
                        // Rounding may take it below zero, where it has no root.
                        variance = if variance > T::ZERO { variance } else { T::ZERO };
                    }
                    let root = (variance + epsilon).sqrt();
                    *velocity = (momentum * *velocity + step_size * g / root).flushed();
                    *w = (*w - *w * decay) - *velocity;
                }
            },
        );
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let length = target.elements(self.gradients)?;
        let text = wgsl![
            "shared/fold",
            "shared/parameters",
            "optimizer/rms_prop",
            "optimizer/each_parameter"
        ];
        let constants =
            ParameterConstants::new(length, [1.0 - self.rho, self.momentum, self.epsilon]);
        Ok(Dispatch::new(self, text, constants, Grid::parameters(length))
            .overrides([("CENTERED", f64::from(self.centered))]))
    }
}
