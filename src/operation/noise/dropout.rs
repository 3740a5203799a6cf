//! Dropout.

use super::mask::{Mask, MaskConstants, NOISE_WORK};
use crate::operation::prelude::*;

operation! {
    /// `output[B,U] = input[B,U] · mask / (1 - rate)`; the mask is a pure function of the step's
    /// noise, the layer and the place, and drops the share `rate`.
    pub struct Dropout("dropout") {
        read input, write output;
        /// From 0 to below 1.
        rate: f64,
        /// Number of the layer, so that no two layers drop the same places.
        layer: u32,
    }
}

impl Operation for Dropout {
    const IN_PARTS: InParts = InParts::Rows;
    const FLOPS: u32 = 2;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        shapes.activations([self.input, self.output], shapes.columns(self.input))
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let shape = on.shape(self.input);
        let mask = Mask::new(on, self.rate, self.layer);
        let input = &*on.real(self.input);
        on.each_row(&mut on.real_mut(self.output), shape, NOISE_WORK, |row, output| {
            let first = row * shape.stride;
            for (i, output) in (first..).zip(&mut output[..shape.columns]) {
                *output = input[i] * mask.factor(shape.before + i);
            }
        });
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let units = target.columns(self.input)?;
        let text = wgsl![
            "shared/noise",
            "shared/dropout",
            "shared/rows",
            "shared/fold",
            "shared/elements",
            "noise/dropout"
        ];
        let constants = MaskConstants::new(units, self.rate, self.layer);
        Ok(Dispatch::new(self, text, constants, Grid::elements(units)))
    }
}
