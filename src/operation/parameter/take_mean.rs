//! The mean of accumulated gradients.

use crate::error::Error;
use crate::operation::kernel::ParameterConstants;
use crate::operation::prelude::*;

operation! {
    /// `gradients = accumulated / steps`, then `accumulated = 0`, over the whole flat arenas.
    pub struct TakeMean("take_mean") {
        write accumulated, write gradients;
        steps: usize,
    }
}

impl Operation for TakeMean {
    const IN_PARTS: InParts = InParts::NoRows;
    const FLOPS: u32 = 1;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        if self.steps == 0 {
            return Err(Error::argument("steps", "are 0; give at least 1"));
        }
        shapes.vectors([self.accumulated, self.gradients], shapes.columns(self.gradients))
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let steps = T::from_f64(self.steps as f64);
        let slices = on.table.slices(self.accumulated).zip(on.table.slices(self.gradients));
        for ((accumulated, _), (gradients, _)) in slices {
            let (mut sums, mut gradients) = (on.real_mut(accumulated), on.real_mut(gradients));
            for (sum, g) in sums.iter_mut().zip(gradients.iter_mut()) {
                *g = (*sum / steps).flushed();
                *sum = T::ZERO;
            }
        }
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let length = target.elements(self.accumulated)?;
        let text = wgsl!["shared/fold", "parameter/take_mean"];
        let constants = ParameterConstants::new(length, [self.steps as f64]);
        Ok(Dispatch::new(self, text, constants, Grid::parameters(length)))
    }
}
