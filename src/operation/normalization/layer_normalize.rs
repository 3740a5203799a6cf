//! Layer normalization forward.

use super::moments::{Gamma, sum};
use crate::operation::prelude::*;

operation! {
    /// `moments[B,2] = (mean, 1 / sqrt(variance + epsilon))` of each row of `input[B,U]`, the
    /// variance divided by U; `output[B,U] = (input - mean) · moments[B,1] · (gamma[U] +
    /// gamma_offset) + beta[U]`, with `gamma_offset` as in
    /// [`BatchNormalize`](super::BatchNormalize).
    pub struct LayerNormalize("layer_normalize") {
        read input, read gamma, read beta, write output, write moments;
        epsilon: f64,
        gamma_offset: f64,
    }
}

impl Operation for LayerNormalize {
    const IN_PARTS: InParts = InParts::Rows;
    const FLOPS: u32 = 7;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        let columns = shapes.columns(self.input);
        shapes.activations([self.input, self.output], columns)?;
        shapes.vectors([self.gamma, self.beta], columns)?;
        shapes.rows([self.moments], 2)
    }

    // The mean comes first, as in `BatchMoments`.
    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let (shape, moments_stride) = (on.shape(self.input), on.shape(self.moments).stride);
        let (count, epsilon) = (T::from_f64(shape.columns as f64), T::from_f64(self.epsilon));
        let gamma = Gamma::new(on, self.gamma, self.gamma_offset);
        let (input, beta) = (on.real(self.input), on.real(self.beta));
        let (mut output, mut moments) = (on.real_mut(self.output), on.real_mut(self.moments));
        let written =
            output.chunks_exact_mut(shape.stride).zip(moments.chunks_exact_mut(moments_stride));
        let rows = input.chunks_exact(shape.stride).zip(written);
        for (input, (output, moments)) in rows.take(shape.rows) {
            let input = &input[..shape.columns];
            let mean = sum(input.iter().copied()) / count;
            let variance = sum(input.iter().map(|&x| (x - mean) * (x - mean))) / count;
            let inverse = T::ONE / (variance + epsilon).sqrt();
            [moments[0], moments[1]] = [mean, inverse];
            for (i, (output, &x)) in output.iter_mut().zip(input).enumerate() {
                *output = (x - mean) * inverse * gamma.factor(i) + beta[i];
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
            "shared/row_sum",
            "normalization/layer_normalize"
        ];
        let constants = RowConstants::new(units).with(self.epsilon, self.gamma_offset);
        Ok(Dispatch::new(self, text, constants, Grid::folded_rows(4)))
    }
}
