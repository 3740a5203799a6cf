//! The gradients of a dense layer's parameters.

use super::shape::{DenseShape, WeightShape, block_size};
use super::tile::tile_text;
use crate::number::{Block, Matrix};
use crate::operation::kernel::shader;
use crate::operation::prelude::*;
use crate::threads::Threads;

operation! {
    /// `weight_gradient[I,U] = inputᵀ[I,B] · output_gradient[B,U]`,
    /// `bias_gradient[U] = sum over B of output_gradient`.
    pub struct DenseBackwardWeights("dense_backward_weights") {
        load input, read output_gradient, write weight_gradient, write bias_gradient;
    }
}

impl Operation for DenseBackwardWeights {
    const IN_PARTS: InParts = InParts::Sums;
    const FLOPS: u32 = 0;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        let (inputs, units) = (shapes.columns(self.input), shapes.columns(self.output_gradient));
        shapes.activations([self.input], inputs)?;
        shapes.activations([self.output_gradient], units)?;
        shapes.matrix(self.weight_gradient, inputs, units)?;
        shapes.vectors([self.bias_gradient], units)
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        dense_backward_weights(
            &on.real(self.input),
            &on.real(self.output_gradient),
            &mut on.real_mut(self.weight_gradient),
            &mut on.real_mut(self.bias_gradient),
            DenseShape::of(on, self.input, self.output_gradient),
            on.threads,
        );
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let (inputs, units) = (target.columns(self.input)?, target.columns(self.output_gradient)?);
        let product @ [height, _, width] =
            [Extent::Fixed(inputs), Extent::Rows, Extent::Fixed(units)];
        let form = target.adapter.usual_form()?;
        let text = match form.class() {
            AdapterClass::Hardware => tile_text(form.tile(), shader!("dense/backward_weights")),
            AdapterClass::Software => wgsl!["shared/dense", "dense/backward_weights_register"],
            AdapterClass::SoftwareSubgroups => {
                wgsl!["shared/dense", "dense/backward_weights_subgroup"]
            }
        };
        let operand = target.operand(self.input);
        let constants = WeightShape::new(inputs, units, operand.scale);
        let grid = Grid::matrix(form, height, width);
        Ok(Dispatch::new(self, text, constants, grid)
            .with_product(product, form)
            .with_operand(self.input, operand))
    }
}

fn dense_backward_weights<T: Real>(
    input: &[T],
    output_gradient: &[T],
    weight_gradient: &mut [T],
    bias_gradient: &mut [T],
    shape: DenseShape,
    threads: &Threads,
) {
    let DenseShape { rows, inputs, units, input_stride, unit_stride } = shape;
    let size = block_size([inputs, rows, units], threads);
    let weights = Block::cut(&mut weight_gradient[..inputs * unit_stride], unit_stride, size);
    let bias = Block::cut(bias_gradient, unit_stride, size);
    // The gradients of the bias are one more row, which the thread takes that has time first.
    let parts = weights.map(|weights| (true, weights)).chain(bias.map(|bias| (false, bias)));
    let each = |(is_weights, mut gradient): (bool, Block<'_, T>)| {
        let (first_row, first_column) = (gradient.first_row, gradient.first_column);
        let columns = first_column..first_column + gradient.columns;
        if is_weights {
            T::gemm(
                [gradient.rows, rows, units.min(columns.end) - first_column],
                Matrix::new(input, input_stride).transposed().from(first_row, 0),
                Matrix::new(output_gradient, unit_stride).from(0, first_column),
                T::ZERO,
                &mut gradient,
            );
        } else {
            let sums = gradient.row_mut(0);
            sums.fill(T::ZERO);
            for row in output_gradient.chunks_exact(unit_stride).take(rows) {
                for (sum, &gradient) in sums.iter_mut().zip(&row[columns.clone()]) {
                    *sum += gradient;
                }
            }
        }
    };
    if size[0] >= inputs && size[1] >= units {
        // Not worth a hand-over, nor is the bias.
        parts.for_each(each);
    } else {
        threads.each(parts, each);
    }
}
