//! The gradient rules of encodings.

use super::{FrequencyEncoding, FrequencyEncodingBackward};
use crate::operation::tape::{Differentiable, Rule};

impl Differentiable for FrequencyEncoding {
    const RULE: Rule<Self> = Rule::Reverse(|op, tape| {
        let Some(output_gradient) = tape.total(op.output)? else { return Ok(()) };
        if !tape.wants(op.input) {
            return Ok(());
        }
        let input_gradient = tape.gradient(op.input)?;
        tape.push(FrequencyEncodingBackward {
            output_gradient,
            output: op.output,
            input_gradient,
            frequencies: op.frequencies,
        })
    });
}

impl Differentiable for FrequencyEncodingBackward {
    const RULE: Rule<Self> = Rule::Stops("second derivatives are not taken");
}
