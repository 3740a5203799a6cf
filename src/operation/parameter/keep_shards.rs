//! Keeping the gradients of some shards of a batch until those that follow are there.

use crate::operation::kernel::ParameterConstants;
use crate::operation::prelude::*;

operation! {
    /// `kept = gradients`, over all elements of two whole arenas.
    pub struct KeepShards("keep_shards") {
        read gradients, write kept;
    }
}

impl Operation for KeepShards {
    const IN_PARTS: InParts = InParts::NoRows;
    const FLOPS: u32 = 0;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        shapes.vectors([self.gradients, self.kept], shapes.columns(self.gradients))
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        on.each_slice(self.gradients, [self.kept], 1, |gradients, [kept]| {
            kept.copy_from_slice(gradients);
        });
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let length = target.elements(self.gradients)?;
        let text = wgsl!["shared/fold", "parameter/keep_shards"];
        let constants = ParameterConstants::new(length, []);
        Ok(Dispatch::new(self, text, constants, Grid::parameters(length)))
    }
}
