//! The gradients of a layer normalization's parameters.

use super::moments::RowMoments;
use super::parameter_gradients::parameter_gradients;
use crate::operation::prelude::*;

operation! {
    /// `gamma_gradient[U] = sum over B of output_gradient[B,U] · normalized[B,U]`,
    /// `beta_gradient[U] = sum over B of output_gradient`, with
    /// `normalized = (input - moments[B,0]) · moments[B,1]`.
    pub struct LayerNormalizeBackward("layer_normalize_backward") {
        read output_gradient, read input, read moments, write gamma_gradient, write beta_gradient;
    }
}

impl Operation for LayerNormalizeBackward {
    const IN_PARTS: InParts = InParts::Sums;
    const FLOPS: u32 = 5;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        let columns = shapes.columns(self.input);
        shapes.activations([self.output_gradient, self.input], columns)?;
        shapes.vectors([self.gamma_gradient, self.beta_gradient], columns)?;
        shapes.rows([self.moments], 2)
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let moments = RowMoments::new(on, self.moments);
        parameter_gradients(
            on,
            [self.output_gradient, self.input],
            [self.gamma_gradient, self.beta_gradient],
            |row, _, x| {
                let [mean, inverse] = moments.of_row(row);
                (x - mean) * inverse
            },
        );
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let units = target.columns(self.input)?;
        let text = wgsl![
            "shared/normalization",
            "shared/fold",
            "shared/elements",
            "shared/column_sum",
            "normalization/layer_normalize_backward"
        ];
        let grid = Grid::folded_columns(units, 16);
        Ok(Dispatch::new(self, text, RowConstants::new(units), grid))
    }
}
