//! The gradients of the parameters of a dense layer over sparse rows.

use super::shape::{SparseConstants, SparseShape, width};
use crate::operation::kernel::{Arithmetic, Stated};
use crate::operation::prelude::*;
use crate::threads::Threads;

operation! {
    /// `weight_gradient[I,U] = inputᵀ[I,B] · output_gradient[B,U]`, where `input` is sparse: zeros,
    /// to which the values that are stored are added in their order, row after row.
    /// `bias_gradient[U] = sum over B of output_gradient`.
    pub struct SparseBackwardWeights("sparse_backward_weights") {
        read input, read output_gradient, write weight_gradient, write bias_gradient;
    }
}

/// Slices that the columns of the input are cut in for software adapters: few, as each searches all
/// rows, and enough for some cores.
const SLICES: u32 = 4;
/// The most columns of such a slice: setting them to zero takes an iteration for each four.
const MOST_COLUMNS: u32 = 1 << 16;
/// Columns of a workgroup in `sparse/backward_weights_tiled.wgsl`.
const TILE: u32 = 16;

impl Operation for SparseBackwardWeights {
    const IN_PARTS: InParts = InParts::Sums;
    const FLOPS: u32 = 0;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        let inputs = width(shapes.table(), self.input);
        let units = shapes.columns(self.output_gradient);
        shapes.sparse_rows(self.input, inputs)?;
        shapes.activations([self.output_gradient], units)?;
        shapes.matrix(self.weight_gradient, inputs, units)?;
        shapes.vectors([self.bias_gradient], units)
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        sparse_backward_weights(
            &on.u32(self.input),
            &on.real(self.output_gradient),
            &mut on.real_mut(self.weight_gradient),
            &mut on.real_mut(self.bias_gradient),
            SparseShape::of(on, self.input, self.output_gradient),
            on.threads,
        );
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let constants = SparseConstants::new(target, self.input, self.output_gradient)?;
        let (most, search) = (constants.most, constants.search());
        // How often the loops run at most for each row of the batch: those of a search, and those
        // over the values of a slice.
        let (text, slice, tile, groups, loops) = match target.adapter.class {
            AdapterClass::Hardware => {
                let text = wgsl![
                    "shared/sparse",
                    "shared/elements",
                    "shared/sparse_search",
                    "sparse/backward_weights_tiled"
                ];
                (text, TILE, 64, 1, search + 12)
            }
            AdapterClass::Software | AdapterClass::SoftwareSubgroups => {
                let text = wgsl![
                    "shared/sparse",
                    "shared/elements",
                    "shared/sparse_search",
                    "sparse/backward_weights_serial"
                ];
                let slice = constants.inputs.div_ceil(SLICES).min(MOST_COLUMNS);
                let slice = slice.next_multiple_of(4);
                (text, slice, 4, 8, search + most.min(slice) / 8 + 12)
            }
        };
        // One slice more than the columns need, for the bias.
        let grid = Grid {
            height: Extent::Fixed(constants.inputs.saturating_add(slice)),
            width: Extent::Fixed(constants.units),
            tile: [slice, tile],
            groups: Groups::Folded(groups),
        };
        let dispatch = Dispatch::new(self, text, constants.cut(slice), grid);
        let [values, inputs, units] = [most, constants.inputs, constants.units].map(u64::from);
        // Every value adds a row of gradients to a row of the weight's.
        let stated = Stated {
            flops: [0, 2 * values * units],
            bytes: [4 * (inputs + 1) * units, 8 * values + 12 * values * units, 0],
            waits: [slice.into(), loops.into()],
        };
        // Other kernels take four terms an iteration.
        Ok(Dispatch { terms: slice, terms_a_row: loops.saturating_mul(4), ..dispatch }
            .with_arithmetic(Arithmetic::Stated(stated)))
    }
}

fn sparse_backward_weights<T: Real>(
    input: &[u32],
    output_gradient: &[T],
    weight_gradient: &mut [T],
    bias_gradient: &mut [T],
    shape: SparseShape,
    threads: &Threads,
) {
    let SparseShape { rows, inputs, unit_stride, .. } = shape;
    let gradients = || output_gradient.chunks_exact(unit_stride).take(rows);
    let part = threads.share(inputs, unit_stride);
    let parts = weight_gradient.chunks_mut(part * unit_stride).enumerate();
    threads.each(parts, |(number, sums)| {
        sums.fill(T::ZERO);
        for (values, gradients) in shape.values::<T>(input).zip(gradients()) {
            for (column, value) in values {
                // Other parts add up what lies outside of this one.
                let place = column.checked_sub(number * part).map(|place| place * unit_stride);
                let Some(sums) = place.and_then(|place| sums.get_mut(place..place + unit_stride))
                else {
                    continue;
                };
                for (sum, &gradient) in sums.iter_mut().zip(gradients) {
                    *sum += value * gradient;
                }
            }
        }
    });
    bias_gradient.fill(T::ZERO);
    for gradients in gradients() {
        for (sum, &gradient) in bias_gradient.iter_mut().zip(gradients) {
            *sum += gradient;
        }
    }
}
