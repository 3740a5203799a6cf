//! Batch normalization forward.

use super::moments::{ColumnMoments, Gamma};
use crate::operation::prelude::*;

operation! {
    /// `output[B,U] = (input[B,U] - mean[U]) / sqrt(variance[U] + epsilon) · (gamma[U] +
    /// gamma_offset) + beta[U]`. `gamma_offset` is 1 where a layer has no gamma and zeros stand in
    /// its place, else 0.
    pub struct BatchNormalize("batch_normalize") {
        read input, read mean, read variance, read gamma, read beta, write output;
        epsilon: f64,
        gamma_offset: f64,
    }
}

impl Operation for BatchNormalize {
    const IN_PARTS: InParts = InParts::Rows;
    const FLOPS: u32 = 4;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        let columns = shapes.columns(self.input);
        shapes.activations([self.input, self.output], columns)?;
        shapes.vectors([self.mean, self.variance, self.gamma, self.beta], columns)
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let shape = on.shape(self.input);
        let moments = ColumnMoments::new(on, self.mean, self.variance, self.epsilon);
        let gamma = Gamma::new(on, self.gamma, self.gamma_offset);
        let (input, beta) = (on.real(self.input), on.real(self.beta));
        let mut output = on.real_mut(self.output);
        let rows = input.chunks_exact(shape.stride).zip(output.chunks_exact_mut(shape.stride));
        for (input, output) in rows.take(shape.rows) {
            for (i, (output, &x)) in output[..shape.columns].iter_mut().zip(input).enumerate() {
                *output = moments.normalized(x, i) * gamma.factor(i) + beta[i];
            }
        }
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let units = target.columns(self.input)?;
        let text = wgsl![
            "shared/normalization",
            "shared/rows",
            "shared/fold",
            "shared/elements",
            "normalization/batch_normalize"
        ];
        let constants = RowConstants::new(units).with(self.epsilon, self.gamma_offset);
        Ok(Dispatch::new(self, text, constants, Grid::elements(units)))
    }
}
