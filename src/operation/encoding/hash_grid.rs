//! The multiresolution hash grid forward.

use super::grid::{Cell, GridConstants, GridSizes, Levels};
use crate::operation::kernel::{Arithmetic, Stated};
use crate::operation::prelude::*;

operation! {
    /// For each level `l` and feature `f`, `output[B, l·F + f]` is `table[entries of level l, f]`
    /// interpolated linearly at the position `input[B,D]`, 1 to 4 values in `[0, 1]`, between the `2^D`
    /// corners of the cell of the level's grid that the position lies in. What lies beyond the unit cube
    /// takes the nearest position within. A level whose `(N_l + 1)^D` corners are at most `T` has an entry
    /// for each of them; else the entry of a corner is the exclusive or of its coordinates, each multiplied
    /// by a prime, modulo `T` ([Müller and others, 2022](https://arxiv.org/abs/2201.05989), equations 2 to 4).
    pub struct HashGrid("hash_grid") {
        read input, read table, write output;
        /// How many levels, and how large they are.
        sizes: GridSizes,
    }
}

impl HashGrid {
    /// The levels of a grid of so many dimensions, as they lie in the table.
    pub fn levels(&self, dimensions: usize) -> Levels {
        self.sizes.levels(dimensions)
    }
}

impl Operation for HashGrid {
    const IN_PARTS: InParts = InParts::Rows;
    const FLOPS: u32 = 0;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        self.sizes.check_buffers(shapes, [self.input, self.output], Some(self.table))
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let (inputs, shape) = (on.shape(self.input), on.shape(self.output));
        let levels = self.levels(inputs.columns);
        let features = self.sizes.features as usize;
        let (input, table) = (&*on.real(self.input), &*on.real(self.table));
        let work = 4 << inputs.columns;
        on.each_row(&mut on.real_mut(self.output), shape, work, |row, output| {
            let position = &input[row * inputs.stride..][..inputs.columns];
            for (&level, output) in levels.each().iter().zip(output.chunks_exact_mut(features)) {
                output.fill(T::ZERO);
                for (entry, share) in Cell::of(position, level).corners() {
                    let entry = &table[entry * features..][..features];
                    for (output, &value) in output.iter_mut().zip(entry) {
                        *output += share * value;
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
            "encoding/function/hash_grid",
            "encoding/hash_grid_levels",
            "shared/elements",
            "encoding/hash_grid"
        ];
        let units = target.columns(self.output)?;
        let grid = Grid {
            height: Extent::Rows,
            width: Extent::Fixed(units.div_ceil(4)),
            tile: [64, 1],
            groups: Groups::Plane,
        };
        let corners = u64::from(self.sizes.levels) << dimensions;
        let numbers = u64::from(self.sizes.levels) * self.sizes.of_cell(dimensions);
        let moved = numbers + u64::from(units.div_ceil(4) * dimensions + units);
        let stated = Stated {
            flops: [0, 2 * numbers + u64::from(dimensions) * corners],
            bytes: [0, 4 * moved, 0],
            waits: [2, 0],
        };
        Ok(Dispatch::new(self, text, constants, grid)
            .with_arithmetic(Arithmetic::Stated(stated))
            .overrides(self.sizes.overrides(dimensions)))
    }
}
