//! Adding up gradients.

use crate::error::Error;
use crate::operation::kernel::ParameterConstants;
use crate::operation::prelude::*;
use crate::table::Role;

operation! {
    /// `accumulated += gradients`, over all elements of two whole arenas, or of two buffers of the
    /// same shape, such as gradients of one parameter.
    pub struct Accumulate("accumulate") {
        read gradients, write accumulated;
    }
}

impl Operation for Accumulate {
    const IN_PARTS: InParts = InParts::NoRows;
    const FLOPS: u32 = 1;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        shapes.parameters([self.gradients, self.accumulated])?;
        let [from, to] = [self.gradients, self.accumulated].map(|id| shapes.table().buffer(id));
        if (from.role == Role::Arena) == (to.role == Role::Arena) {
            return Ok(());
        }
        Err(Error::Shape {
            what: format!("{} in accumulate", to.name),
            actual: format!("the role {:?}", to.role),
            expected: format!("an arena exactly if {} is one, of role {:?}", from.name, from.role),
        })
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        if on.table.buffer(self.gradients).role == Role::Arena {
            on.each_slice(self.gradients, [self.accumulated], 1, |gradients, [accumulated]| {
                accumulate(gradients, accumulated);
            });
        } else {
            accumulate(&on.real(self.gradients), &mut on.real_mut(self.accumulated));
        }
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let length = target.elements(self.gradients)?;
        let text = wgsl!["shared/fold", "parameter/accumulate"];
        let constants = ParameterConstants::new(length, []);
        Ok(Dispatch::new(self, text, constants, Grid::parameters(length)))
    }
}

fn accumulate<T: Real>(gradients: &[T], accumulated: &mut [T]) {
    for (&g, sum) in gradients.iter().zip(accumulated) {
        *sum += g;
    }
}
