//! The gradient rules of dense layers.

use super::{DenseBackwardInput, DenseBackwardWeights, DenseForward};
use crate::error::Error;
use crate::operation::activation::Elementwise;
use crate::operation::tape::{Differentiable, Rule};

/// Gradients are taken before an activation becomes a part of the layer.
impl Differentiable for DenseForward {
    const RULE: Rule<Self> = Rule::Reverse(|op, tape| {
        if op.activation != Elementwise::Linear {
            let problem = format!("{:?} is a part of dense_forward already", op.activation);
            return Err(Error::argument("activation", problem));
        }
        let Some(output_gradient) = tape.total(op.output)? else { return Ok(()) };
        if tape.wants(op.weight) || tape.wants(op.bias) {
            let weight_gradient = tape.written(op.weight)?;
            let bias_gradient = tape.written(op.bias)?;
            tape.push(DenseBackwardWeights {
                input: op.input,
                output_gradient,
                weight_gradient,
                bias_gradient,
            })?;
        }
        if tape.wants(op.input) {
            let input_gradient = tape.gradient(op.input)?;
            tape.push(DenseBackwardInput {
                output_gradient,
                weight: op.weight,
                input: op.input,
                input_gradient,
                activation: Elementwise::Linear,
            })?;
        }
        Ok(())
    });
}

impl Differentiable for DenseBackwardInput {
    const RULE: Rule<Self> = Rule::Stops("second derivatives are not taken");
}

impl Differentiable for DenseBackwardWeights {
    const RULE: Rule<Self> = Rule::Stops("second derivatives are not taken");
}
