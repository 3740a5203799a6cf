//! Bytes to reals.

use bytemuck::{Pod, Zeroable};

use crate::operation::prelude::*;
use crate::table::{Element, Rows};

operation! {
    /// `output[B,I] = input[B,I] · scale`, bytes to reals.
    pub struct Convert("convert") {
        read input, write output;
        scale: f64,
    }
}

/// `Constants` in `elementwise/convert.wgsl`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Constants {
    columns: u32,
    unused: u32,
    scale: f32,
}

impl Operation for Convert {
    const IN_PARTS: InParts = InParts::Rows;
    const FLOPS: u32 = 1;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        let columns = shapes.columns(self.input);
        shapes.expect(self.input, Element::U8, Rows::Batch, columns)?;
        shapes.activations([self.output], columns)
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let shape = on.shape(self.input);
        let (live, part) = (shape.live(), on.part(shape, 1));
        let scale = T::from_f64(self.scale);
        let (input, mut output) = (on.u8(self.input), on.real_mut(self.output));
        let parts = output[..live].chunks_mut(part).zip(input[..live].chunks(part));
        on.threads.each(parts, |(output, input)| {
            for (output, &input) in output.iter_mut().zip(input) {
                *output = T::from_u8(input) * scale;
            }
        });
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let columns = target.columns(self.input)?;
        let constants = Constants { columns, unused: 0, scale: self.scale as f32 };
        let text = wgsl!["shared/fold", "elementwise/convert"];
        Ok(Dispatch::new(self, text, constants, Grid::elements(columns)))
    }
}
