//! AMSGrad's update.

use super::rule::{AdamRule, WORK};
use crate::operation::kernel::ParameterConstants;
use crate::operation::prelude::*;

operation! {
    /// The update of [`Adam`](crate::Adam) with `amsgrad`: it divides by the largest second moment
    /// so far.
    pub struct AmsGradUpdate("amsgrad") {
        read gradients, write parameters, write moment_1, write moment_2, write largest_moment_2;
        rule: AdamRule,
    }
}

impl Operation for AmsGradUpdate {
    const IN_PARTS: InParts = InParts::NoRows;
    const FLOPS: u32 = 16;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        let state = [self.moment_1, self.moment_2, self.largest_moment_2];
        let columns = shapes.columns(self.gradients);
        shapes.vectors([self.gradients, self.parameters], columns)?;
        shapes.vectors(state, columns)
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let scalars = self.rule.scalars(on.step);
        let changed = [self.parameters, self.moment_1, self.moment_2, self.largest_moment_2];
        on.each_slice(self.gradients, changed, WORK, |gradients, [parameters, m, v, largest]| {
            let state = m.iter_mut().zip(v).zip(largest);
            for ((&g, w), ((m, v), largest)) in gradients.iter().zip(parameters).zip(state) {
                scalars.decay_moments(g, m, v);
                *largest = if *v > *largest { *v } else { *largest };
                *w = scalars.updated(*w, *m, *largest);
            }
        });
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let length = target.elements(self.gradients)?;
        let text = wgsl![
            "shared/fold",
            "shared/parameters",
            "optimizer/amsgrad",
            "optimizer/each_parameter"
        ];
        let constants = ParameterConstants::new(length, self.rule.constants());
        Ok(Dispatch::new(self, text, constants, Grid::parameters(length)))
    }
}
