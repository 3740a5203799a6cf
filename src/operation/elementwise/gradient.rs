//! The gradient rules of operations on each value by itself.

use super::{Activate, ActivateBackward, Add, Convert};
use crate::operation::activation::Told;
use crate::operation::tape::{Differentiable, Rule};

impl Differentiable for Activate {
    const RULE: Rule<Self> = Rule::Reverse(|op, tape| {
        let Some(output_gradient) = tape.total(op.output)? else { return Ok(()) };
        if !tape.wants(op.input) {
            return Ok(());
        }
        let value = match op.activation.told() {
            Told::ByResult => op.output,
            Told::ByInput => op.input,
        };
        let (activation, input_gradient) = (op.activation, tape.gradient(op.input)?);
        tape.push(ActivateBackward { output_gradient, value, input_gradient, activation })
    });
}

impl Differentiable for ActivateBackward {
    const RULE: Rule<Self> = Rule::Stops("second derivatives are not taken");
}

impl Differentiable for Add {
    const RULE: Rule<Self> = Rule::Reverse(|op, tape| {
        if let Some(output_gradient) = tape.total(op.output)? {
            tape.contribute(op.first, output_gradient);
            tape.contribute(op.second, output_gradient);
        }
        Ok(())
    });
}

impl Differentiable for Convert {
    const RULE: Rule<Self> = Rule::Stops("bytes come from the data, which is not trained");
}
