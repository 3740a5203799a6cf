//! The gradient rules of dense layers over sparse rows.

use super::{SparseBackwardWeights, SparseForward};
use crate::error::Error;
use crate::operation::activation::Elementwise;
use crate::operation::tape::{Differentiable, Rule};

/// Gradients are taken before an activation becomes a part of the layer. Sparse rows are data, so that
/// no gradient passes to them.
impl Differentiable for SparseForward {
    const RULE: Rule<Self> = Rule::Reverse(|op, tape| {
        if op.activation != Elementwise::Linear {
            let problem = format!("{:?} is a part of sparse_forward already", op.activation);
            return Err(Error::argument("activation", problem));
        }
        let Some(output_gradient) = tape.total(op.output)? else { return Ok(()) };
        if tape.wants(op.weight) || tape.wants(op.bias) {
            let weight_gradient = tape.written(op.weight)?;
            let bias_gradient = tape.written(op.bias)?;
            tape.push(SparseBackwardWeights {
                input: op.input,
                output_gradient,
                weight_gradient,
                bias_gradient,
            })?;
        }
        Ok(())
    });
}

impl Differentiable for SparseBackwardWeights {
    const RULE: Rule<Self> = Rule::Stops("second derivatives are not taken");
}
