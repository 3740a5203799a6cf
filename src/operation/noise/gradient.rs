//! The gradient rules of dropout and noise.

use super::{Dropout, DropoutBackward, GaussianNoise};
use crate::operation::activation::Elementwise;
use crate::operation::tape::{Differentiable, Rule};

impl Differentiable for Dropout {
    const RULE: Rule<Self> = Rule::Reverse(|op, tape| {
        let Some(output_gradient) = tape.total(op.output)? else { return Ok(()) };
        if !tape.wants(op.input) {
            return Ok(());
        }
        let input_gradient = tape.gradient(op.input)?;
        tape.push(DropoutBackward {
            output_gradient,
            input: op.input,
            input_gradient,
            activation: Elementwise::Linear,
            rate: op.rate,
            layer: op.layer,
        })
    });
}

impl Differentiable for DropoutBackward {
    const RULE: Rule<Self> = Rule::Stops("second derivatives are not taken");
}

impl Differentiable for GaussianNoise {
    const RULE: Rule<Self> = Rule::Reverse(|op, tape| {
        if let Some(output_gradient) = tape.total(op.output)? {
            tape.contribute(op.input, output_gradient);
        }
        Ok(())
    });
}
