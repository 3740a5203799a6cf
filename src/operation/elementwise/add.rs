//! The sum of two values.

use crate::operation::prelude::*;

operation! {
    /// `output[B,U] = first[B,U] + second[B,U]`.
    pub struct Add("add") {
        read first, read second, write output;
    }
}

impl Operation for Add {
    const IN_PARTS: InParts = InParts::Rows;
    const FLOPS: u32 = 1;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        shapes.activations([self.first, self.second, self.output], shapes.columns(self.first))
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let shape = on.shape(self.first);
        let (first, second) = (on.real(self.first), on.real(self.second));
        let mut output = on.real_mut(self.output);
        let read = first.chunks_exact(shape.stride).zip(second.chunks_exact(shape.stride));
        let rows = read.zip(output.chunks_exact_mut(shape.stride));
        for ((first, second), output) in rows.take(shape.rows) {
            let pairs = first.iter().zip(second);
            for (output, (&a, &b)) in output[..shape.columns].iter_mut().zip(pairs) {
                *output = a + b;
            }
        }
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let units = target.columns(self.first)?;
        let text = wgsl!["shared/dense", "shared/fold", "shared/elements", "elementwise/add"];
        Ok(Dispatch::new(self, text, RowConstants::new(units), Grid::elements(units)))
    }
}
