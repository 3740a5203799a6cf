//! Gradients without their scale.

use super::state::LossScale;
use crate::operation::kernel::ParameterConstants;
use crate::operation::prelude::*;
use crate::table::{Element, Rows};

operation! {
    /// Divides all gradients, a whole arena, by the loss scale, and sets `nonfinite[1]` to 1 if one
    /// of them is then NaN or infinite.
    pub struct UnscaleGradients("unscale_gradients") {
        read loss_scale, write gradients, write nonfinite;
    }
}

impl Operation for UnscaleGradients {
    const IN_PARTS: InParts = InParts::NoRows;
    const FLOPS: u32 = 1;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        shapes.loss_scale(Some(self.loss_scale))?;
        shapes.vectors([self.gradients], shapes.columns(self.gradients))?;
        shapes.expect(self.nonfinite, Element::U32, Rows::One, 1)
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let scale = on.loss_scale(Some(self.loss_scale), LossScale::Scale, T::ONE);
        let inverse = T::ONE / scale;
        let mut finite = true;
        for (id, _) in on.table.slices(self.gradients) {
            for gradient in on.real_mut(id).iter_mut() {
                *gradient = (*gradient * inverse).flushed();
                finite &= gradient.is_finite();
            }
        }
        if let Some(nonfinite) = on.u32_mut(self.nonfinite).first_mut().filter(|_| !finite) {
            *nonfinite = 1;
        }
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let length = target.elements(self.gradients)?;
        let text = wgsl!["shared/fold", "loss_scale/unscale_gradients"];
        let constants = ParameterConstants::new(length, []);
        Ok(Dispatch::new(self, text, constants, Grid::parameters(length)))
    }
}
