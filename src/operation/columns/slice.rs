//! Some columns of a value.

use super::shape::Columns;
use crate::error::Error;
use crate::operation::kernel::size;
use crate::operation::prelude::*;

operation! {
    /// `output[B,N] = input[B, offset .. offset + N]`.
    pub struct Slice("slice") {
        read input, write output;
        /// The first column that is taken.
        offset: usize,
    }
}

impl Operation for Slice {
    const IN_PARTS: InParts = InParts::Rows;
    const FLOPS: u32 = 0;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        let (columns, width) = (shapes.columns(self.input), shapes.columns(self.output));
        shapes.activations([self.input], columns)?;
        shapes.activations([self.output], width)?;
        if self.offset.checked_add(width).is_some_and(|end| end <= columns) {
            return Ok(());
        }
        let name = |id| &shapes.table().buffer(id).name;
        Err(Error::Shape {
            what: format!("{} in slice", name(self.output)),
            actual: format!("columns {0} to {0} + {width}", self.offset),
            expected: format!("columns of the {columns} of {}", name(self.input)),
        })
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let (from, to) = (on.shape(self.input), on.shape(self.output));
        let (input, mut output) = (on.real(self.input), on.real_mut(self.output));
        let rows = input.chunks_exact(from.stride).zip(output.chunks_exact_mut(to.stride));
        for (input, output) in rows.take(on.rows()) {
            output[..to.columns].copy_from_slice(&input[self.offset..][..to.columns]);
        }
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let (inputs, units) = (target.columns(self.input)?, target.columns(self.output)?);
        let text = wgsl!["shared/columns", "shared/fold", "shared/elements", "columns/slice"];
        let constants = Columns { inputs, units, offset: size(self.offset)? };
        Ok(Dispatch::new(self, text, constants, Grid::elements(units)))
    }
}
