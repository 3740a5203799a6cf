//! What the activity regularizer of a layer costs.

use crate::operation::prelude::*;

operation! {
    /// `loss[B] += l1 · sum over U of |value[B,U]| + l2 · sum over U of value²`.
    pub struct ActivityPenalty("activity_penalty") {
        read value, write loss;
        l1: f64,
        l2: f64,
    }
}

impl Operation for ActivityPenalty {
    const IN_PARTS: InParts = InParts::Rows;
    const FLOPS: u32 = 4;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        shapes.activations([self.value], shapes.columns(self.value))?;
        shapes.rows([self.loss], 1)
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let shape = on.shape(self.value);
        let [l1, l2] = [self.l1, self.l2].map(T::from_f64);
        let (value, mut loss) = (on.real(self.value), on.real_mut(self.loss));
        let rows = value.chunks_exact(shape.stride).zip(loss.iter_mut());
        for (value, loss) in rows.take(shape.rows) {
            let mut sum = T::ZERO;
            for &x in &value[..shape.columns] {
                sum += l1 * if x < T::ZERO { -x } else { x } + l2 * x * x;
            }
            *loss += sum;
        }
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let text =
            wgsl!["shared/activity", "shared/elements", "shared/row_sum", "loss/activity_penalty"];
        let constants = RowConstants::new(target.columns(self.value)?).with(self.l1, self.l2);
        Ok(Dispatch::new(self, text, constants, Grid::folded_rows(4)))
    }
}
