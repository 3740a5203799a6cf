//! An activation by itself.

use crate::operation::activation::Elementwise;
use crate::operation::prelude::*;

operation! {
    /// `output[B,U] = activation(input[B,U])`.
    pub struct Activate("activate") {
        read input, write output;
        activation: Elementwise,
    }
}

impl Operation for Activate {
    const IN_PARTS: InParts = InParts::Rows;
    const FLOPS: u32 = 4;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        shapes.activations([self.input, self.output], shapes.columns(self.input))
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let shape = on.shape(self.input);
        let (live, part) = (shape.live(), on.part(shape, Elementwise::WORK));
        let (input, mut output) = (on.real(self.input), on.real_mut(self.output));
        let parts = input[..live].chunks(part).zip(output[..live].chunks_mut(part));
        on.threads.each(parts, |(input, output)| {
            let rows = input.chunks_exact(shape.stride).zip(output.chunks_exact_mut(shape.stride));
            for (input, output) in rows {
                let output = &mut output[..shape.columns];
                output.copy_from_slice(&input[..shape.columns]);
                self.activation.apply(output);
            }
        });
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let units = target.columns(self.input)?;
        let text = wgsl![
            "shared/dense",
            "shared/rows",
            "shared/fold",
            "shared/elements",
            "elementwise/activate"
        ];
        Ok(Dispatch::new(self, text, RowConstants::new(units), Grid::elements(units))
            .with_text(self.activation.text())
            .overrides(self.activation.overrides()))
    }
}
