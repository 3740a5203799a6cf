//! The gradient of the frequency encoding by its input.

use super::frequency::{Columns, Frequencies};
use crate::operation::prelude::*;

operation! {
    /// `input_gradient[B,I] = sum over k of 2^k π (output_gradient_sin · output_cos -
    /// output_gradient_cos · output_sin)`, of the waves of the input, and the gradient of the input itself
    /// where it is a part of the output.
    pub struct FrequencyEncodingBackward("frequency_encoding_backward") {
        read output_gradient, read output, write input_gradient;
        /// As forward.
        frequencies: Frequencies,
    }
}

impl Operation for FrequencyEncodingBackward {
    const IN_PARTS: InParts = InParts::Rows;
    const FLOPS: u32 = 3;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        self.frequencies.check(shapes, [self.input_gradient, self.output])?;
        shapes.activations([self.output_gradient], shapes.columns(self.output))
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let (outputs, shape) = (on.shape(self.output), on.shape(self.input_gradient));
        let first = self.frequencies.first(shape.columns);
        let waves = self.frequencies.waves();
        let (output_gradient, output) = (&*on.real(self.output_gradient), &*on.real(self.output));
        on.each_row(&mut on.real_mut(self.input_gradient), shape, waves, |row, input_gradient| {
            let columns = row * outputs.stride..row * outputs.stride + outputs.columns;
            let (of_input, gradient) = output_gradient[columns.clone()].split_at(first);
            let output = &output[columns][first..];
            let sums = &mut input_gradient[..shape.columns];
            sums.fill(T::ZERO);
            sums[..first].copy_from_slice(of_input);
            let waves = gradient.chunks_exact(waves).zip(output.chunks_exact(waves));
            for (sum, (gradient, output)) in sums.iter_mut().zip(waves) {
                let mut slope = T::from_f64(std::f64::consts::PI);
                for (d, y) in gradient.chunks_exact(2).zip(output.chunks_exact(2)) {
                    *sum += slope * (d[0] * y[1] - d[1] * y[0]);
                    slope += slope;
                }
            }
        });
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let (inputs, outputs) =
            (target.columns(self.input_gradient)?, target.columns(self.output)?);
        let first = if self.frequencies.with_input { inputs } else { 0 };
        let text = wgsl!["shared/fold", "shared/elements", "encoding/frequency_backward"];
        let constants = Columns { columns: [inputs, outputs], first };
        Ok(Dispatch::new(self, text, constants, Grid::elements(inputs))
            .overrides(self.frequencies.overrides()))
    }
}
