//! The gradient of the multiresolution hash grid by the position.

use super::grid::{Cell, GridConstants, GridSizes, clamped};
use crate::operation::kernel::{Arithmetic, Stated};
use crate::operation::prelude::*;

operation! {
    /// `input_gradient[B,i] = sum over levels l, corners and features of output_gradient · table · N_l ·
    /// d share / d offset_i`: the slope within the cell that the position lies in, as the encoding has
    /// kinks between cells. Beyond the unit cube it is 0.
    pub struct HashGridBackwardInput("hash_grid_backward_input") {
        read output_gradient, read input, read table, write input_gradient;
        /// As forward.
        sizes: GridSizes,
    }
}

impl Operation for HashGridBackwardInput {
    const IN_PARTS: InParts = InParts::Rows;
    const FLOPS: u32 = 0;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        self.sizes.check_buffers(shapes, [self.input, self.output_gradient], Some(self.table))?;
        shapes.activations([self.input_gradient], shapes.columns(self.input))
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let (gradients, shape) = (on.shape(self.output_gradient), on.shape(self.input_gradient));
        let levels = self.sizes.levels(shape.columns);
        let features = self.sizes.features as usize;
        let (output_gradient, input) = (&*on.real(self.output_gradient), &*on.real(self.input));
        let table = &*on.real(self.table);
        let work = (4 * gradients.columns) << shape.columns;
        on.each_row(&mut on.real_mut(self.input_gradient), shape, work, |row, input_gradient| {
            let position = &input[row * shape.stride..][..shape.columns];
            let gradient = &output_gradient[row * gradients.stride..][..gradients.columns];
            let input_gradient = &mut input_gradient[..shape.columns];
            input_gradient.fill(T::ZERO);
            for (&level, gradient) in levels.each().iter().zip(gradient.chunks_exact(features)) {
                let resolution = T::from_f64(level.resolution.into());
                for (entry, slopes) in Cell::of(position, level).slopes() {
                    let mut value = T::ZERO;
                    for (&d, &w) in gradient.iter().zip(&table[entry * features..]) {
                        value += d * w;
                    }
                    for (sum, slope) in input_gradient.iter_mut().zip(slopes) {
                        *sum += value * resolution * slope;
                    }
                }
            }
            for (sum, &x) in input_gradient.iter_mut().zip(position) {
                if x != clamped(x) {
                    *sum = T::ZERO;
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
            "encoding/hash_grid_backward_input"
        ];
        let grid = Grid::rows(64);
        let levels = u64::from(self.sizes.levels);
        let numbers = levels * self.sizes.of_cell(dimensions);
        let slopes = (levels << dimensions) * u64::from(dimensions * (dimensions + 1));
        let stated = Stated {
            flops: [0, 2 * numbers + slopes],
            bytes: [0, 8 * numbers, 0],
            waits: [levels, 0],
        };
        Ok(Dispatch::new(self, text, constants, grid)
            .with_arithmetic(Arithmetic::Stated(stated))
            .overrides(self.sizes.overrides(dimensions)))
    }
}
