//! Two values side by side.

use super::shape::Columns;
use crate::operation::prelude::*;

operation! {
    /// `output[B,M+N] = first[B,M]` beside `second[B,N]`.
    pub struct Concatenate("concatenate") {
        read first, read second, write output;
    }
}

impl Operation for Concatenate {
    const IN_PARTS: InParts = InParts::Rows;
    const FLOPS: u32 = 0;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        let (first, second) = (shapes.columns(self.first), shapes.columns(self.second));
        shapes.activations([self.first], first)?;
        shapes.activations([self.second], second)?;
        shapes.activations([self.output], first.saturating_add(second))
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let (first, second) = (on.shape(self.first), on.shape(self.second));
        let stride = on.shape(self.output).stride;
        let (left, right) = (on.real(self.first), on.real(self.second));
        let mut output = on.real_mut(self.output);
        let read = left.chunks_exact(first.stride).zip(right.chunks_exact(second.stride));
        let rows = read.zip(output.chunks_exact_mut(stride));
        for ((left, right), output) in rows.take(on.rows()) {
            let (to_left, to_right) = output.split_at_mut(first.columns);
            to_left.copy_from_slice(&left[..first.columns]);
            to_right[..second.columns].copy_from_slice(&right[..second.columns]);
        }
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let (inputs, units) = (target.columns(self.first)?, target.columns(self.output)?);
        let text = wgsl!["shared/columns", "shared/fold", "shared/elements", "columns/concatenate"];
        let constants = Columns { inputs, units, offset: 0 };
        Ok(Dispatch::new(self, text, constants, Grid::elements(units)))
    }
}
