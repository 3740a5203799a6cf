//! The place of the largest value.

use crate::operation::prelude::*;

operation! {
    /// `index[B] = argmax over U of input[B,U]`, the first of several largest. NaN is passed
    /// over; a row of nothing else has the index 0.
    pub struct Argmax("argmax") {
        read input, write index;
    }
}

impl Operation for Argmax {
    const IN_PARTS: InParts = InParts::Rows;
    const FLOPS: u32 = 1;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        shapes.activations([self.input], shapes.columns(self.input))?;
        shapes.indices([self.index])
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let shape = on.shape(self.input);
        let (input, mut index) = (on.real(self.input), on.u32_mut(self.index));
        let rows = index.iter_mut().zip(input.chunks_exact(shape.stride));
        for (index, row) in rows.take(shape.rows) {
            *index = largest(&row[..shape.columns]) as u32;
        }
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let text = wgsl!["shared/dense", "shared/rows", "shared/largest", "metric/argmax"];
        let constants = RowConstants::new(target.columns(self.input)?);
        Ok(Dispatch::new(self, text, constants, Grid::rows(32)))
    }
}

/// The place of the largest value, the first one on a tie, as in numpy's argmax; but NaN is passed
/// over, and only if there is nothing else the place is 0.
pub(crate) fn largest<T: Real>(values: &[T]) -> usize {
    let mut place = values.iter().position(|value| !value.to_f64().is_nan()).unwrap_or(0);
    for (i, value) in values.iter().enumerate() {
        if *value > values[place] {
            place = i;
        }
    }
    place
}
