//! The gradient of a dense layer's input.

use super::shape::{DenseShape, WeightShape, block_size};
use super::tile::tile_text;
use crate::number::{Block, Matrix};
use crate::operation::activation::Elementwise;
use crate::operation::kernel::shader;
use crate::operation::prelude::*;
use crate::threads::Threads;

operation! {
    /// `input_gradient[B,I] = (output_gradient[B,U] · weightᵀ[U,I]) ⊙ activation'`, where
    /// `activation` is the function that made `input[B,I]`, and its derivative is computed from
    /// that result.
    pub struct DenseBackwardInput("dense_backward_input") {
        read output_gradient, read weight, read input, write input_gradient;
        activation: Elementwise,
    }
}

impl Operation for DenseBackwardInput {
    const IN_PARTS: InParts = InParts::Rows;
    const FLOPS: u32 = 0;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        let (inputs, units) = (shapes.columns(self.input), shapes.columns(self.output_gradient));
        shapes.fused(self.activation)?;
        shapes.activations([self.output_gradient], units)?;
        shapes.matrix(self.weight, inputs, units)?;
        shapes.activations([self.input, self.input_gradient], inputs)
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        dense_backward_input(
            &on.real(self.output_gradient),
            &on.real(self.weight),
            &on.real(self.input),
            &mut on.real_mut(self.input_gradient),
            DenseShape::of(on, self.input, self.output_gradient),
            self.activation,
            on.threads,
        );
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let (inputs, units) = (target.columns(self.input)?, target.columns(self.output_gradient)?);
        let product @ [height, _, width] =
            [Extent::Rows, Extent::Fixed(units), Extent::Fixed(inputs)];
        let form = target.adapter.usual_form()?;
        let text = match form.class() {
            AdapterClass::Hardware => tile_text(form.tile(), shader!("dense/backward_input")),
            AdapterClass::Software => wgsl!["shared/dense", "dense/backward_input_register"],
            AdapterClass::SoftwareSubgroups => {
                wgsl!["shared/dense", "dense/backward_input_subgroup"]
            }
        };
        let grid = Grid::matrix(form, height, width);
        Ok(Dispatch::new(self, text, WeightShape::new(inputs, units, 1.0), grid)
            .with_product(product, form)
            .with_text(self.activation.text())
            .overrides(self.activation.overrides()))
    }
}

fn dense_backward_input<T: Real>(
    output_gradient: &[T],
    weight: &[T],
    input: &[T],
    input_gradient: &mut [T],
    shape: DenseShape,
    activation: Elementwise,
    threads: &Threads,
) {
    let DenseShape { rows, inputs, units, input_stride, unit_stride } = shape;
    let size = block_size([rows, units, inputs], threads);
    let blocks = Block::cut(&mut input_gradient[..rows * input_stride], input_stride, size);
    threads.each(blocks, |mut gradient| {
        let (first_row, first_column) = (gradient.first_row, gradient.first_column);
        let columns = first_column..first_column + gradient.columns;
        T::gemm(
            [gradient.rows, units, inputs.min(columns.end) - first_column],
            Matrix::new(output_gradient, unit_stride).from(first_row, 0),
            Matrix::new(weight, unit_stride).transposed().from(0, first_column),
            T::ZERO,
            &mut gradient,
        );
        let input = input[first_row * input_stride..].chunks_exact(input_stride);
        for (row, input) in (0..gradient.rows).zip(input) {
            activation.apply_derivative(&input[columns.clone()], gradient.row_mut(row));
        }
    });
}
