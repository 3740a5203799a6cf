//! The gradient through softmax.

use crate::operation::prelude::*;

operation! {
    /// `input_gradient[B,U] = value · (output_gradient - sum over U of output_gradient · value)`,
    /// where `value[B,U]` is the result of [`Softmax`](super::Softmax).
    pub struct SoftmaxBackward("softmax_backward") {
        read output_gradient, read value, write input_gradient;
    }
}

impl Operation for SoftmaxBackward {
    const IN_PARTS: InParts = InParts::Rows;
    const FLOPS: u32 = 4;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        let columns = shapes.columns(self.value);
        shapes.activations([self.output_gradient, self.value, self.input_gradient], columns)
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let shape = on.shape(self.value);
        let (gradient, value) = (on.real(self.output_gradient), on.real(self.value));
        let mut result = on.real_mut(self.input_gradient);
        let read = gradient.chunks_exact(shape.stride).zip(value.chunks_exact(shape.stride));
        let rows = read.zip(result.chunks_exact_mut(shape.stride));
        for ((gradient, value), result) in rows.take(shape.rows) {
            let mut sum = T::ZERO;
            for (&gradient, &value) in gradient[..shape.columns].iter().zip(value) {
                sum += gradient * value;
            }
            let pairs = gradient.iter().zip(value);
            for (result, (&gradient, &value)) in result[..shape.columns].iter_mut().zip(pairs) {
                *result = (value * (gradient - sum)).flushed();
            }
        }
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let constants = RowConstants::new(target.columns(self.value)?);
        let text = wgsl!["shared/dense", "shared/rows", "softmax/backward"];
        Ok(Dispatch::new(self, text, constants, Grid::rows(32)))
    }
}
