//! Clipping of each value of a gradient.

use crate::operation::kernel::ParameterConstants;
use crate::operation::prelude::*;

operation! {
    /// Moves each value of the gradient into `[-limit, limit]`.
    pub struct ClipByValue("clip_by_value") {
        write gradient;
        limit: f64,
    }
}

impl Operation for ClipByValue {
    const IN_PARTS: InParts = InParts::NoRows;
    const FLOPS: u32 = 2;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        shapes.parameters([self.gradient])
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let limit = T::from_f64(self.limit);
        for g in on.real_mut(self.gradient).iter_mut() {
            if *g > limit {
                *g = limit;
            } else if *g < -limit {
                *g = -limit;
            }
        }
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let length = target.elements(self.gradient)?;
        let text = wgsl!["shared/fold", "shared/nan", "parameter/clip_by_value"];
        let constants = ParameterConstants::new(length, [self.limit]);
        Ok(Dispatch::new(self, text, constants, Grid::parameters(length)))
    }
}
