//! What a weight's regularizer costs.

use crate::operation::kernel::ParameterConstants;
use crate::operation::prelude::*;

operation! {
    /// `(l1 · sum |weight| + l2 · sum weight²) · live rows`, added to one slot of `penalty`. The
    /// slots take turns, because nearly equal numbers added up in one slot would all be rounded
    /// alike; the element after the last slot is the number of the next one.
    pub struct Penalty("penalty") {
        read weight, write penalty;
        l1: f64,
        l2: f64,
    }
}

impl Penalty {
    /// Slots in `penalty`, as in `parameter/penalty.wgsl`.
    pub const SLOTS: usize = 1024;
}

impl Operation for Penalty {
    const IN_PARTS: InParts = InParts::Sums;
    const FLOPS: u32 = 4;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        shapes.parameters([self.weight])?;
        shapes.vectors([self.penalty], Self::SLOTS + 1)
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let (weights, mut penalty) = (on.real(self.weight), on.real_mut(self.penalty));
        let Some((count, slots)) = penalty.split_last_mut() else { return };
        let [l1, l2, live_rows] = [self.l1, self.l2, on.rows() as f64].map(T::from_f64);
        let cost = |w: T| l1 * if w < T::ZERO { -w } else { w } + l2 * w * w;
        let mut total = T::ZERO;
        // Sums of sums lose less than one long one.
        for part in weights.chunks(64) {
            let mut sum = T::ZERO;
            for &w in part {
                sum += cost(w);
            }
            total += sum;
        }
        let place = count.to_f64() as usize % slots.len().max(1);
        if let Some(slot) = slots.get_mut(place) {
            *slot += total * live_rows;
        }
        *count = T::from_f64((place + 1) as f64);
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let length = target.elements(self.weight)?;
        let text = wgsl!["shared/sum", "parameter/penalty"];
        let constants = ParameterConstants::new(length, [self.l1, self.l2]);
        let dispatch = Dispatch::new(self, text, constants, Grid::parameters(1));
        Ok(Dispatch { terms: length / 64, ..dispatch })
    }
}
