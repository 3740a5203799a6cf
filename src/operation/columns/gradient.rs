//! The gradient rules of operations on columns.

use super::{Concatenate, Slice};
use crate::operation::tape::{Differentiable, Rule};

impl Differentiable for Concatenate {
    const RULE: Rule<Self> = Rule::Reverse(|op, tape| {
        let Some(output_gradient) = tape.total(op.output)? else { return Ok(()) };
        let width = tape.table.columns(op.first);
        for (input, offset) in [(op.first, 0), (op.second, width)] {
            if tape.wants(input) {
                let output = tape.gradient(input)?;
                tape.push(Slice { input: output_gradient, output, offset })?;
            }
        }
        Ok(())
    });
}

/// Zeros stand beside the gradient where the slice left columns out.
impl Differentiable for Slice {
    const RULE: Rule<Self> = Rule::Reverse(|op, tape| {
        let Some(output_gradient) = tape.total(op.output)? else { return Ok(()) };
        if !tape.wants(op.input) {
            return Ok(());
        }
        let (all, kept) = (tape.table.columns(op.input), tape.table.columns(op.output));
        let after = all.saturating_sub(op.offset).saturating_sub(kept);
        let mut gradient = output_gradient;
        if op.offset > 0 {
            let first = tape.zeros_like(op.input, op.offset)?;
            let output = match after {
                0 => tape.gradient(op.input)?,
                _ => tape.zeros_like(op.input, op.offset + kept)?,
            };
            tape.push(Concatenate { first, second: gradient, output })?;
            gradient = output;
        }
        match (op.offset, after) {
            (0, 0) => tape.contribute(op.input, gradient),
            (_, 0) => {}
            (_, after) => {
                let second = tape.zeros_like(op.input, after)?;
                let output = tape.gradient(op.input)?;
                tape.push(Concatenate { first: gradient, second, output })?;
            }
        }
        Ok(())
    });
}
