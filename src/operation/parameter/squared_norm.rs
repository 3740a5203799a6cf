//! The norm of one gradient, or of several.

use crate::operation::prelude::*;

use bytemuck::{Pod, Zeroable};

operation! {
    /// `sum[1] += sum of squares of gradient`; `sum` begins at 0 if this gradient is the first.
    pub struct SquaredNorm("squared_norm") {
        read gradient, write sum;
        first: bool,
    }
}

/// `Constants` in `parameter/squared_norm.wgsl`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Constants {
    length: u32,
    first: u32,
}

impl Operation for SquaredNorm {
    const IN_PARTS: InParts = InParts::NoRows;
    const FLOPS: u32 = 2;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        shapes.parameters([self.gradient])?;
        shapes.vectors([self.sum], 1)
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let (gradient, mut sum) = (on.real(self.gradient), on.real_mut(self.sum));
        let Some(sum) = sum.first_mut() else { return };
        if self.first {
            *sum = T::ZERO;
        }
        // Sums of sums lose less than one long one.
        for part in gradient.chunks(64) {
            let mut squares = T::ZERO;
            for &g in part {
                squares += g.flushed_square();
            }
            *sum += squares;
        }
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let length = target.elements(self.gradient)?;
        let text = wgsl!["shared/sum", "parameter/squared_norm"];
        let constants = Constants { length, first: u32::from(self.first) };
        let dispatch = Dispatch::new(self, text, constants, Grid::parameters(1));
        Ok(Dispatch { terms: length / 64, ..dispatch })
    }
}
