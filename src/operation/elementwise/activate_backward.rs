//! The gradient through an activation.

use crate::operation::activation::Elementwise;
use crate::operation::prelude::*;

operation! {
    /// `input_gradient[B,U] = output_gradient[B,U] · activation'`, told from `value[B,U]`: the
    /// activation's result or its input, as [its derivative](Elementwise::told) needs it.
    pub struct ActivateBackward("activate_backward") {
        read output_gradient, read value, write input_gradient;
        activation: Elementwise,
    }
}

impl Operation for ActivateBackward {
    const IN_PARTS: InParts = InParts::Rows;
    const FLOPS: u32 = 5;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        let columns = shapes.columns(self.value);
        shapes.activations([self.output_gradient, self.value, self.input_gradient], columns)
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let shape = on.shape(self.value);
        let (gradient, value) = (on.real(self.output_gradient), on.real(self.value));
        let mut result = on.real_mut(self.input_gradient);
        let (live, part) = (shape.live(), on.part(shape, Elementwise::WORK));
        let read = gradient[..live].chunks(part).zip(value[..live].chunks(part));
        on.threads.each(
            read.zip(result[..live].chunks_mut(part)),
            |((gradient, value), result)| {
                let read =
                    gradient.chunks_exact(shape.stride).zip(value.chunks_exact(shape.stride));
                for ((gradient, value), result) in read.zip(result.chunks_exact_mut(shape.stride)) {
                    let result = &mut result[..shape.columns];
                    result.copy_from_slice(&gradient[..shape.columns]);
                    self.activation.apply_derivative(value, result);
                }
            },
        );
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let units = target.columns(self.value)?;
        let text = wgsl![
            "shared/dense",
            "shared/rows",
            "shared/fold",
            "shared/elements",
            "elementwise/activate_backward"
        ];
        Ok(Dispatch::new(self, text, RowConstants::new(units), Grid::elements(units))
            .with_text(self.activation.text())
            .overrides(self.activation.overrides()))
    }
}
