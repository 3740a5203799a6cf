//! Clipping of a gradient by its norm, or by that of all gradients.

use crate::operation::kernel::ParameterConstants;
use crate::operation::prelude::*;

operation! {
    /// `gradient *= limit / max(norm, limit)`; `squared_norm[1]` holds the square of the norm.
    pub struct ClipByNorm("clip_by_norm") {
        read squared_norm, write gradient;
        limit: f64,
    }
}

impl Operation for ClipByNorm {
    const IN_PARTS: InParts = InParts::NoRows;
    const FLOPS: u32 = 2;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        shapes.parameters([self.gradient])?;
        shapes.vectors([self.squared_norm], 1)
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let limit = T::from_f64(self.limit);
        let Some(&squared_norm) = on.real(self.squared_norm).first() else { return };
        let norm = squared_norm.sqrt();
        if norm > limit {
            let scale = limit / norm;
            for g in on.real_mut(self.gradient).iter_mut() {
                *g = (*g * scale).flushed();
            }
        }
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let length = target.elements(self.gradient)?;
        let text = wgsl!["shared/fold", "parameter/clip_by_norm"];
        let constants = ParameterConstants::new(length, [self.limit]);
        Ok(Dispatch::new(self, text, constants, Grid::parameters(length)))
    }
}
