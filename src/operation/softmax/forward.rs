//! Softmax.

use super::row::{WORK, softmax_row};
use crate::operation::prelude::*;

operation! {
    /// `output[B,U] = exp(input[B,U]) / sum over U of exp(input[B,U])`, row by row.
    pub struct Softmax("softmax") {
        read input, write output;
    }
}

impl Operation for Softmax {
    const IN_PARTS: InParts = InParts::Rows;
    const FLOPS: u32 = 4;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        shapes.activations([self.input, self.output], shapes.columns(self.input))
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let shape = on.shape(self.input);
        let (input, mut output) = (on.real(self.input), on.real_mut(self.output));
        let (live, part) = (shape.live(), on.part(shape, WORK));
        let parts = input[..live].chunks(part).zip(output[..live].chunks_mut(part));
        on.threads.each(parts, |(input, output)| {
            let rows = input.chunks_exact(shape.stride).zip(output.chunks_exact_mut(shape.stride));
            for (input, output) in rows {
                softmax_row(&input[..shape.columns], &mut output[..shape.columns]);
            }
        });
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let constants = RowConstants::new(target.columns(self.input)?);
        let text = wgsl!["shared/dense", "shared/rows", "softmax/forward"];
        Ok(Dispatch::new(self, text, constants, Grid::rows(32)))
    }
}
