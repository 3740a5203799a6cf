//! The gradient of a dense layer's input.

use super::shape::{DenseShape, WeightShape};
use super::tile::tile_text;
use crate::number::Matrix;
use crate::operation::activation::Elementwise;
use crate::operation::kernel::shader;
use crate::operation::prelude::*;

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
        );
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let (inputs, units) = (target.columns(self.input)?, target.columns(self.output_gradient)?);
        let product @ [height, _, width] =
            [Extent::Rows, Extent::Fixed(units), Extent::Fixed(inputs)];
        let form = target.matrix_form(product);
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
) {
    let DenseShape { rows, inputs, units, input_stride, unit_stride } = shape;
    T::gemm(
        [rows, units, inputs],
        Matrix::new(output_gradient, unit_stride),
        Matrix::new(weight, unit_stride).transposed(),
        T::ZERO,
        Matrix::new(&mut *input_gradient, input_stride),
    );
    let gradients = input_gradient[..rows * input_stride].iter_mut().zip(input);
    if activation == Elementwise::Relu {
        // The most common one in a loop of its own, which the compiler makes vectors of.
        for (gradient, &y) in gradients {
            *gradient = if y > T::ZERO { gradient.flushed() } else { T::ZERO };
        }
        return;
    }
    for (gradient, &y) in gradients {
        *gradient = (*gradient * activation.derivative(y)).flushed();
    }
}
