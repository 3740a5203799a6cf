//! The sum of each sample's values.

use crate::operation::prelude::*;

operation! {
    /// `output[B,1] = sum over U of input[B,U]`.
    pub struct RowSum("row_sum") {
        read input, write output;
    }
}

impl Operation for RowSum {
    const IN_PARTS: InParts = InParts::Rows;
    const FLOPS: u32 = 1;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        shapes.activations([self.input], shapes.columns(self.input))?;
        shapes.activations([self.output], 1)
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let (from, to) = (on.shape(self.input), on.shape(self.output));
        let (input, mut output) = (on.real(self.input), on.real_mut(self.output));
        let rows = input.chunks_exact(from.stride).zip(output.chunks_exact_mut(to.stride));
        for (input, output) in rows.take(from.rows) {
            let mut sum = T::ZERO;
            input[..from.columns].iter().for_each(|&x| sum += x);
            output[0] = sum.flushed();
        }
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let units = target.columns(self.input)?;
        let text = wgsl!["shared/dense", "shared/elements", "shared/row_sum", "expression/row_sum"];
        Ok(Dispatch::new(self, text, RowConstants::new(units), Grid::folded_rows(4)))
    }
}
