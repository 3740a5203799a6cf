//! The gradient through dropout.

use super::mask::{Mask, MaskConstants, NOISE_WORK};
use crate::operation::activation::Elementwise;
use crate::operation::prelude::*;

operation! {
    /// `input_gradient[B,U] = output_gradient[B,U] · mask / (1 - rate) · activation'`, with the mask
    /// of [`Dropout`](super::Dropout), where `activation` is the function that made `input[B,U]`,
    /// and its derivative is computed from that result.
    pub struct DropoutBackward("dropout_backward") {
        read output_gradient, read input, write input_gradient;
        activation: Elementwise,
        /// That of the dropout.
        rate: f64,
        /// That of the dropout.
        layer: u32,
    }
}

impl Operation for DropoutBackward {
    const IN_PARTS: InParts = InParts::Rows;
    const FLOPS: u32 = 2;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        shapes.fused(self.activation)?;
        let columns = shapes.columns(self.input);
        shapes.activations([self.output_gradient, self.input, self.input_gradient], columns)
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let shape = on.shape(self.input);
        let mask = Mask::new(on, self.rate, self.layer);
        let (gradient, input) = (&*on.real(self.output_gradient), &*on.real(self.input));
        on.each_row(&mut on.real_mut(self.input_gradient), shape, NOISE_WORK, |row, result| {
            let first = row * shape.stride;
            for (i, result) in (first..).zip(&mut result[..shape.columns]) {
                let slope = self.activation.derivative(input[i]) * mask.factor(shape.before + i);
                *result = (gradient[i] * slope).flushed();
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
            "noise/dropout_backward"
        ];
        let constants = MaskConstants::new(units, self.rate, self.layer);
        Ok(Dispatch::new(self, text, constants, Grid::elements(units))
            .with_text(self.activation.text())
            .overrides(self.activation.overrides()))
    }
}
