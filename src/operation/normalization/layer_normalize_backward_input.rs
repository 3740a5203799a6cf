//! The gradient of a layer normalization's input.

use super::moments::{Gamma, RowMoments, sum};
use crate::operation::activation::Elementwise;
use crate::operation::prelude::*;

operation! {
    /// `input_gradient[B,U] = moments[B,1] · (g - mean over U of g - normalized · mean over U of
    /// (g · normalized)) · activation'`, with `g = output_gradient · (gamma + gamma_offset)`, where
    /// `activation` is the function that made `input[B,U]`, and its derivative is computed from that
    /// result. (Ba, Kiros and Hinton, "Layer normalization", 2016.)
    pub struct LayerNormalizeBackwardInput("layer_normalize_backward_input") {
        read output_gradient, read input, read moments, read gamma, write input_gradient;
        gamma_offset: f64,
        activation: Elementwise,
    }
}

impl Operation for LayerNormalizeBackwardInput {
    const IN_PARTS: InParts = InParts::Rows;
    const FLOPS: u32 = 9;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        shapes.fused(self.activation)?;
        let columns = shapes.columns(self.input);
        shapes.activations([self.output_gradient, self.input, self.input_gradient], columns)?;
        shapes.vectors([self.gamma], columns)?;
        shapes.rows([self.moments], 2)
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let shape = on.shape(self.input);
        let count = T::from_f64(shape.columns as f64);
        let moments = RowMoments::new(on, self.moments);
        let gamma = Gamma::new(on, self.gamma, self.gamma_offset);
        let (gradient, input) = (on.real(self.output_gradient), on.real(self.input));
        let mut result = on.real_mut(self.input_gradient);
        let read = gradient.chunks_exact(shape.stride).zip(input.chunks_exact(shape.stride));
        let rows = read.zip(result.chunks_exact_mut(shape.stride));
        for (row, ((gradient, input), result)) in rows.take(shape.rows).enumerate() {
            let [mean, inverse] = moments.of_row(row);
            let g = |i: usize| gradient[i] * gamma.factor(i);
            let normalized = |i: usize| (input[i] - mean) * inverse;
            let mean_g = sum((0..shape.columns).map(g)) / count;
            let mean_product = sum((0..shape.columns).map(|i| g(i) * normalized(i))) / count;
            for (i, result) in result[..shape.columns].iter_mut().enumerate() {
                let inner = g(i) - mean_g - normalized(i) * mean_product;
                *result = (inverse * inner * self.activation.derivative(input[i])).flushed();
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
            "normalization/layer_normalize_backward_input"
        ];
        let constants = RowConstants::new(units).with(0.0, self.gamma_offset);
        Ok(Dispatch::new(self, text, constants, Grid::folded_rows(4))
            .with_text(self.activation.text())
            .overrides(self.activation.overrides()))
    }
}
