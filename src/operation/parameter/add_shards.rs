//! Adding up the gradients of the shards of a batch.

use crate::number::add_normal;
use crate::operation::kernel::ParameterConstants;
use crate::operation::prelude::*;

operation! {
    /// `gradients = kept + gradients`, over all elements of two whole arenas: the gradients of some
    /// shards and of those that follow them. Numbers below the normal range of f32, before and after
    /// the sum, count as 0, as not all devices know them, and processes add on the host too.
    pub struct AddShards("add_shards") {
        read kept, write gradients;
    }
}

impl Operation for AddShards {
    const IN_PARTS: InParts = InParts::NoRows;
    const FLOPS: u32 = 1;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        shapes.vectors([self.kept, self.gradients], shapes.columns(self.gradients))
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        on.each_slice(self.kept, [self.gradients], 4, |kept, [gradients]| {
            for (g, &kept) in gradients.iter_mut().zip(kept) {
                *g = add_normal(kept, *g);
            }
        });
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let length = target.elements(self.gradients)?;
        let text = wgsl!["shared/fold", "parameter/add_shards"];
        let constants = ParameterConstants::new(length, []);
        Ok(Dispatch::new(self, text, constants, Grid::parameters(length)))
    }
}
