//! A dense layer over sparse rows forward.

use super::shape::{SparseConstants, SparseShape, width};
use crate::operation::activation::Elementwise;
use crate::operation::kernel::{Arithmetic, Stated};
use crate::operation::prelude::*;
use crate::threads::Threads;

operation! {
    /// `output[B,U] = activation(input[B,I] · weight[I,U] + bias[U])`, where `input` is sparse: each
    /// row's sum is over its values that are stored, in their order.
    pub struct SparseForward("sparse_forward") {
        read input, read weight, read bias, write output;
        activation: Elementwise,
    }
}

impl Operation for SparseForward {
    const IN_PARTS: InParts = InParts::Rows;
    const FLOPS: u32 = 0;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        let (inputs, units) = (width(shapes.table(), self.input), shapes.columns(self.output));
        shapes.fused(self.activation)?;
        shapes.sparse_rows(self.input, inputs)?;
        shapes.matrix(self.weight, inputs, units)?;
        shapes.vectors([self.bias], units)?;
        shapes.activations([self.output], units)
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        sparse_forward(
            &on.u32(self.input),
            &on.real(self.weight),
            &on.real(self.bias),
            &mut on.real_mut(self.output),
            SparseShape::of(on, self.input, self.output),
            self.activation,
            on.threads,
        );
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let constants = SparseConstants::new(target, self.input, self.output)?;
        let text = wgsl!["shared/sparse", "shared/fold", "shared/elements", "sparse/forward"];
        let dispatch = Dispatch::new(self, text, constants, Grid::elements(constants.units));
        // An iteration for each value, where those of other kernels take four.
        let [most, units] = [constants.most, constants.units].map(u64::from);
        // A row reads a row of the weight for each of its values.
        let row_bytes = 8 * most + 4 * units * (most + 1);
        let stated = Stated {
            flops: [0, 2 * most * units],
            bytes: [4 * units, row_bytes, 0],
            waits: [most, 0],
        };
        Ok(Dispatch { terms: constants.most.saturating_mul(4), ..dispatch }
            .with_arithmetic(Arithmetic::Stated(stated))
            .with_text(self.activation.text())
            .overrides(self.activation.overrides()))
    }
}

fn sparse_forward<T: Real>(
    input: &[u32],
    weight: &[T],
    bias: &[T],
    output: &mut [T],
    shape: SparseShape,
    activation: Elementwise,
    threads: &Threads,
) {
    let SparseShape { rows, most, units, unit_stride, .. } = shape;
    let weights = |column: usize| &weight[column * unit_stride..(column + 1) * unit_stride];
    let rows_a_part = threads.share(rows, most.saturating_mul(unit_stride));
    let read = input[..rows * 2 * most].chunks(rows_a_part * 2 * most);
    let written = output[..rows * unit_stride].chunks_mut(rows_a_part * unit_stride);
    threads.each(read.zip(written), |(input, output)| {
        for (values, row) in shape.values::<T>(input).zip(output.chunks_exact_mut(unit_stride)) {
            row.copy_from_slice(&bias[..unit_stride]);
            for (column, value) in values {
                for (sum, &weight) in row.iter_mut().zip(weights(column)) {
                    *sum += value * weight;
                }
            }
            activation.apply(&mut row[..units]);
        }
    });
}
