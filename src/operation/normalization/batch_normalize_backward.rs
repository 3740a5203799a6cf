//! The gradients of a batch normalization's parameters.

use super::moments::ColumnMoments;
use super::parameter_gradients::parameter_gradients;
use crate::operation::prelude::*;

operation! {
    /// `gamma_gradient[U] = sum over B of output_gradient[B,U] · normalized[B,U]`,
    /// `beta_gradient[U] = sum over B of output_gradient`, with
    /// `normalized = (input - mean) / sqrt(variance + epsilon)`.
    pub struct BatchNormalizeBackward("batch_normalize_backward") {
        read output_gradient, read input, read mean, read variance,
        write gamma_gradient, write beta_gradient;
        epsilon: f64,
    }
}

impl Operation for BatchNormalizeBackward {
    const IN_PARTS: InParts = InParts::Sums;
    const FLOPS: u32 = 5;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        let columns = shapes.columns(self.input);
        shapes.activations([self.output_gradient, self.input], columns)?;
        let vectors = [self.mean, self.variance, self.gamma_gradient, self.beta_gradient];
        shapes.vectors(vectors, columns)
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let moments = ColumnMoments::new(on, self.mean, self.variance, self.epsilon);
        parameter_gradients(
            on,
            [self.output_gradient, self.input],
            [self.gamma_gradient, self.beta_gradient],
            |_, unit, x| moments.normalized(x, unit),
        );
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let units = target.columns(self.input)?;
        let text = wgsl![
            "shared/normalization",
            "shared/rows",
            "shared/fold",
            "shared/elements",
            "shared/column_sum",
            "normalization/batch_normalize_backward"
        ];
        let constants = RowConstants::new(units).with(self.epsilon, 0.0);
        Ok(Dispatch::new(self, text, constants, Grid::folded_columns(units, 16)))
    }
}
