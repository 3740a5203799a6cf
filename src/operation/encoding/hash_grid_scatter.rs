//! The gradients of a hash grid's entries, added up.

use super::grid::{Cell, GridConstants, GridSizes};
use super::largest_gradient::SLOTS;
use crate::operation::kernel::{Arithmetic, Stated};
use crate::operation::prelude::*;

operation! {
    /// `sums[entry, f] += share · output_gradient[b, l·F + f]` for each row `b`, level `l` and corner of the
    /// cell that the position `input[b]` lies in, with the entry and the share that
    /// [`HashGrid`](super::HashGrid) takes for it.
    ///
    /// Many rows add to one entry, and a GPU runs them in no order that is known. So that the sums have the same
    /// bits nevertheless, kernels add whole numbers by atomic operations: each sum is 64 bits of fixed point in
    /// two words of `sums`, in a unit that `largest` tells. What is added is rounded to a multiple of
    /// at most `2^-29` times the largest gradient. On the CPU the sum is a real number in the place of the first
    /// word, and rows are added in their order.
    pub struct HashGridScatter("hash_grid_scatter") {
        read largest, read output_gradient, read input, write sums;
        /// As forward.
        sizes: GridSizes,
    }
}

/// Places of the sums for a table of so many numbers, padding included: two for each.
pub(super) fn sums_of(table: usize) -> usize {
    table.saturating_mul(2)
}

impl Operation for HashGridScatter {
    const IN_PARTS: InParts = InParts::Sums;
    const FLOPS: u32 = 0;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        self.sizes.check_buffers(shapes, [self.input, self.output_gradient], None)?;
        shapes.vectors([self.largest], SLOTS)?;
        let entries = self.sizes.levels(shapes.columns(self.input)).entries();
        let numbers = entries.next_multiple_of(4) * self.sizes.features as usize;
        shapes.vectors([self.sums], sums_of(numbers))
    }

    // The levels are cut, and not the rows: each level has entries of its own.
    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let (inputs, gradients) = (on.shape(self.input), on.shape(self.output_gradient));
        let levels = self.sizes.levels(inputs.columns);
        let features = self.sizes.features as usize;
        let (input, output_gradient) = (&*on.real(self.input), &*on.real(self.output_gradient));
        let mut sums = on.real_mut(self.sums);
        let work = inputs.rows.saturating_mul((4 * features) << inputs.columns);
        let levels_a_part = on.threads.share(levels.each().len(), work);
        let mut rest = &mut sums[..];
        let parts = levels.each().chunks(levels_a_part).enumerate().map(|(part, levels)| {
            let entries: usize = levels.iter().map(|level| level.entries as usize).sum();
            let (own, others) = std::mem::take(&mut rest).split_at_mut(2 * features * entries);
            rest = others;
            (part * levels_a_part, levels, own)
        });
        on.threads.each(parts, |(first_level, levels, sums)| {
            let first_entry = levels.first().map_or(0, |level| level.first as usize);
            for row in 0..inputs.rows {
                let position = &input[row * inputs.stride..][..inputs.columns];
                let gradient = &output_gradient[row * gradients.stride..][first_level * features..];
                for (&level, gradient) in levels.iter().zip(gradient.chunks_exact(features)) {
                    for (entry, share) in Cell::of(position, level).corners() {
                        let sums = sums[(entry - first_entry) * features * 2..].chunks_exact_mut(2);
                        for (sum, &d) in sums.zip(gradient) {
                            sum[0] += share * d;
                        }
                    }
                }
            }
        });
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let dimensions = target.columns(self.input)?;
        let constants = GridConstants::new(self.sizes, dimensions as usize)?;
        let text = wgsl![
            "encoding/function/hash_grid_cell",
            "encoding/hash_grid_levels",
            "shared/elements",
            "encoding/fixed_point",
            "encoding/hash_grid_scatter"
        ];
        let levels = self.sizes.levels;
        let grid = Grid {
            height: Extent::Rows,
            width: Extent::Fixed(levels),
            tile: [64, 1],
            groups: Groups::Plane,
        };
        let numbers = u64::from(levels) * self.sizes.of_cell(dimensions);
        let corners = u64::from(levels) << dimensions;
        let stated = Stated {
            flops: [0, 2 * numbers + u64::from(dimensions) * corners],
            bytes: [0, 8 * numbers + 4 * u64::from(levels * (dimensions + self.sizes.features)), 0],
            waits: [2, 0],
        };
        Ok(Dispatch::new(self, text, constants, grid)
            .with_arithmetic(Arithmetic::Stated(stated))
            .overrides(self.sizes.overrides(dimensions)))
    }
}
