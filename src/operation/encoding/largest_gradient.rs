//! The size of the largest gradient of a batch.

use crate::operation::prelude::*;

/// Parts of the rows, each of which has a largest gradient of its own.
pub(super) const SLOTS: usize = 16;

operation! {
    /// `largest[s] = max |gradient[b, u]|` over the rows `b` of which `b mod 16 = s`, for `s` from 0 to 15;
    /// not finite if one of them is not. The largest of all of these is the unit that sums in fixed point are
    /// counted in.
    pub struct LargestGradient("largest_gradient") {
        read gradient, write largest;
    }
}

impl Operation for LargestGradient {
    const IN_PARTS: InParts = InParts::Largest;
    const FLOPS: u32 = 1;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        shapes.activations([self.gradient], shapes.columns(self.gradient))?;
        shapes.vectors([self.largest], SLOTS)
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let shape = on.shape(self.gradient);
        let (gradient, mut largest) = (on.real(self.gradient), on.real_mut(self.largest));
        largest.fill(T::ZERO);
        for (row, values) in gradient.chunks_exact(shape.stride).take(shape.rows).enumerate() {
            let most = &mut largest[row % SLOTS];
            for &x in values {
                let size = if x < T::ZERO { -x } else { x };
                // A NaN compares with nothing, and stays once it is there.
                *most = if !most.is_finite() || size <= *most { *most } else { size };
            }
        }
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let units = target.columns(self.gradient)?;
        let text = wgsl!["shared/dense", "shared/elements", "encoding/largest_gradient"];
        let grid = Grid::columns(SLOTS as u32, 1);
        Ok(Dispatch::new(self, text, RowConstants::new(units), grid))
    }
}
