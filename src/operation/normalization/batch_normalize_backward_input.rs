//! The gradient of a batch normalization's input.

use super::moments::{ColumnMoments, Gamma};
use crate::operation::activation::Elementwise;
use crate::operation::prelude::*;

operation! {
    /// `input_gradient[B,U] = (gamma + gamma_offset) / sqrt(variance + epsilon) · (output_gradient -
    /// (beta_gradient + normalized · gamma_gradient) / live rows) · activation'`, where `mean` and
    /// `variance` are those of this batch ([`BatchMoments`](super::BatchMoments)), and `activation`
    /// is the function that made `input[B,U]`; its derivative is computed from that result. Where
    /// `mean` and `variance` are constants instead, both gradients are zeros. (Ioffe and Szegedy,
    /// "Batch normalization", 2015.)
    pub struct BatchNormalizeBackwardInput("batch_normalize_backward_input") {
        read output_gradient, read input, read mean, read variance,
        read gamma, read gamma_gradient, read beta_gradient, write input_gradient;
        epsilon: f64,
        gamma_offset: f64,
        activation: Elementwise,
    }
}

impl Operation for BatchNormalizeBackwardInput {
    const IN_PARTS: InParts = InParts::AfterStatistics;
    const FLOPS: u32 = 8;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        shapes.fused(self.activation)?;
        let columns = shapes.columns(self.input);
        shapes.activations([self.output_gradient, self.input, self.input_gradient], columns)?;
        let gradients = [self.gamma_gradient, self.beta_gradient];
        shapes.vectors([self.mean, self.variance, self.gamma], columns)?;
        shapes.vectors(gradients, columns)
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let shape = on.shape(self.input);
        let inverse_rows = T::ONE / T::from_f64(shape.rows as f64);
        let moments = ColumnMoments::new(on, self.mean, self.variance, self.epsilon);
        let gamma = Gamma::new(on, self.gamma, self.gamma_offset);
        let (gradient, input) = (on.real(self.output_gradient), on.real(self.input));
        let gamma_gradient = on.real(self.gamma_gradient);
        let beta_gradient = on.real(self.beta_gradient);
        let mut result = on.real_mut(self.input_gradient);
        let read = gradient.chunks_exact(shape.stride).zip(input.chunks_exact(shape.stride));
        let rows = read.zip(result.chunks_exact_mut(shape.stride));
        for ((gradient, input), result) in rows.take(shape.rows) {
            for i in 0..shape.columns {
                let normalized = moments.normalized(input[i], i);
                // The part of the gradient that the batch's own mean and variance cancel.
                let cancelled = (beta_gradient[i] + normalized * gamma_gradient[i]) * inverse_rows;
                let scale = gamma.factor(i) / moments.deviation(i);
                let slope = self.activation.derivative(input[i]);
                result[i] = (scale * (gradient[i] - cancelled) * slope).flushed();
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
            "normalization/batch_normalize_backward_input"
        ];
        let constants = RowConstants::new(units).with(self.epsilon, self.gamma_offset);
        Ok(Dispatch::new(self, text, constants, Grid::elements(units))
            .with_text(self.activation.text())
            .overrides(self.activation.overrides()))
    }
}
