//! The gradient rule of softmax.

use super::{Softmax, SoftmaxBackward};
use crate::operation::tape::{Differentiable, Rule};

impl Differentiable for Softmax {
    const RULE: Rule<Self> = Rule::Reverse(|op, tape| {
        let Some(output_gradient) = tape.total(op.output)? else { return Ok(()) };
        if !tape.wants(op.input) {
            return Ok(());
        }
        let input_gradient = tape.gradient(op.input)?;
        tape.push(SoftmaxBackward { output_gradient, value: op.output, input_gradient })
    });
}

impl Differentiable for SoftmaxBackward {
    const RULE: Rule<Self> = Rule::Stops("second derivatives are not taken");
}
