//! A dense layer forward.

use super::shape::{DenseShape, WeightShape, block_size};
use super::tile::tile_text;
use crate::number::{Block, Matrix};
use crate::operation::activation::Elementwise;
use crate::operation::kernel::shader;
use crate::operation::prelude::*;
use crate::threads::Threads;

operation! {
    /// `output[B,U] = activation(input[B,I] · weight[I,U] + bias[U])`.
    pub struct DenseForward("dense_forward") {
        load input, read weight, read bias, write output;
        activation: Elementwise,
    }
}

impl Operation for DenseForward {
    const IN_PARTS: InParts = InParts::Rows;
    const FLOPS: u32 = 0;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        let (inputs, units) = (shapes.columns(self.input), shapes.columns(self.output));
        shapes.fused(self.activation)?;
        shapes.activations([self.input], inputs)?;
        shapes.matrix(self.weight, inputs, units)?;
        shapes.vectors([self.bias], units)?;
        shapes.activations([self.output], units)
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        dense_forward(
            &on.real(self.input),
            &on.real(self.weight),
            &on.real(self.bias),
            &mut on.real_mut(self.output),
            DenseShape::of(on, self.input, self.output),
            self.activation,
            on.threads,
        );
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let (inputs, units) = (target.columns(self.input)?, target.columns(self.output)?);
        let product @ [height, _, width] =
            [Extent::Rows, Extent::Fixed(inputs), Extent::Fixed(units)];
        let form = target.adapter.usual_form()?;
        let text = match form.class() {
            AdapterClass::Hardware => tile_text(form.tile(), shader!("dense/forward")),
            AdapterClass::Software => wgsl!["shared/dense", "dense/forward_register"],
            AdapterClass::SoftwareSubgroups => wgsl!["shared/dense", "dense/forward_subgroup"],
        };
        let operand = target.operand(self.input);
        let constants = WeightShape::new(inputs, units, operand.scale);
        let grid = Grid::matrix(form, height, width);
        Ok(Dispatch::new(self, text, constants, grid)
            .with_product(product, form)
            .with_text(self.activation.text())
            .with_operand(self.input, operand)
            .overrides(self.activation.overrides()))
    }
}

fn dense_forward<T: Real>(
    input: &[T],
    weight: &[T],
    bias: &[T],
    output: &mut [T],
    shape: DenseShape,
    activation: Elementwise,
    threads: &Threads,
) {
    let DenseShape { rows, inputs, units, input_stride, unit_stride } = shape;
    let size = block_size([rows, inputs, units], threads);
    let blocks = Block::cut(&mut output[..rows * unit_stride], unit_stride, size);
    threads.each(blocks, |mut output| {
        let columns = output.first_column..output.first_column + output.columns;
        let live = units.min(columns.end) - columns.start;
        for row in 0..output.rows {
            output.row_mut(row).copy_from_slice(&bias[columns.clone()]);
        }
        T::gemm(
            [output.rows, inputs, live],
            Matrix::new(input, input_stride).from(output.first_row, 0),
            Matrix::new(weight, unit_stride).from(0, columns.start),
            T::ONE,
            &mut output,
        );
        for row in 0..output.rows {
            activation.apply(&mut output.row_mut(row)[..live]);
        }
    });
}
