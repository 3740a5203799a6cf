//! The gradient of a hash grid's table, out of its sums.

use bytemuck::{Pod, Zeroable};

use super::hash_grid_scatter::sums_of;
use super::largest_gradient::SLOTS;
use crate::operation::kernel::size;
use crate::operation::prelude::*;

operation! {
    /// `table_gradient[E,F]` are the sums of [`HashGridScatter`](super::HashGridScatter), `sums = 0` then, for the next step. If a
    /// gradient of the batch is not finite, which `largest` tells, all of `table_gradient` is NaN.
    pub struct HashGridCollect("hash_grid_collect") {
        read largest, write sums, write table_gradient;
    }
}

/// `Constants` in `encoding/hash_grid_collect.wgsl`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Constants {
    length: u32,
    live: u32,
}

impl Operation for HashGridCollect {
    const IN_PARTS: InParts = InParts::NoRows;
    const FLOPS: u32 = 3;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        shapes.parameters([self.table_gradient])?;
        shapes.vectors([self.largest], SLOTS)?;
        let numbers = shapes.table().buffer(self.table_gradient).allocated(0);
        shapes.vectors([self.sums], sums_of(numbers))
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let live = on.table.buffer(self.table_gradient);
        let live = live.live_rows(0) * live.stride();
        let is_finite = on.real(self.largest).iter().all(|largest| largest.is_finite());
        let (mut sums, mut gradient) = (on.real_mut(self.sums), on.real_mut(self.table_gradient));
        let (sums, gradient) = (&mut sums[..2 * live], &mut gradient[..live]);
        let part = on.threads.share(live, 4);
        let parts = sums.chunks_mut(2 * part).zip(gradient.chunks_mut(part));
        on.threads.each(parts, |(sums, gradient)| {
            for (sum, gradient) in sums.chunks_exact_mut(2).zip(gradient) {
                *gradient = if is_finite { sum[0].flushed() } else { T::from_f64(f64::NAN) };
                sum[0] = T::ZERO;
            }
        });
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let buffer = target.table.buffer(self.table_gradient);
        let length = target.elements(self.table_gradient)?;
        let live = size(buffer.live_rows(0) * buffer.stride())?;
        let text = wgsl!["shared/fold", "encoding/fixed_point", "encoding/hash_grid_collect"];
        Ok(Dispatch::new(self, text, Constants { length, live }, Grid::parameters(length)))
    }
}
