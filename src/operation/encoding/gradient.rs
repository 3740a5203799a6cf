//! The gradient rules of encodings.

use super::hash_grid_scatter::sums_of;
use super::largest_gradient::SLOTS;
use super::{
    FrequencyEncoding, FrequencyEncodingBackward, HashGrid, HashGridBackwardInput, HashGridCollect,
    HashGridScatter, LargestGradient,
};
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

/// All uses of a table share what the sums are kept in: each leaves zeros to the next one.
impl Differentiable for HashGrid {
    const RULE: Rule<Self> = Rule::Reverse(|op, tape| {
        let Some(output_gradient) = tape.total(op.output)? else { return Ok(()) };
        let HashGrid { input, table, sizes, .. } = *op;
        if tape.wants(table) {
            let of_table = tape.table.buffer(table);
            let (name, words) = (of_table.name.clone(), sums_of(of_table.allocated(0)));
            let largest = tape.shared(format!("{name}.largest_gradient"), SLOTS)?;
            let sums = tape.shared(format!("{name}.gradient_sums"), words)?;
            tape.push(LargestGradient { gradient: output_gradient, largest })?;
            tape.push(HashGridScatter { largest, output_gradient, input, sums, sizes })?;
            let table_gradient = tape.gradient(table)?;
            tape.push(HashGridCollect { largest, sums, table_gradient })?;
        }
        if tape.wants(input) {
            let input_gradient = tape.gradient(input)?;
            tape.push(HashGridBackwardInput {
                output_gradient,
                input,
                table,
                input_gradient,
                sizes,
            })?;
        }
        Ok(())
    });
}

impl Differentiable for FrequencyEncodingBackward {
    const RULE: Rule<Self> = Rule::Stops("second derivatives are not taken");
}

impl Differentiable for LargestGradient {
    const RULE: Rule<Self> = Rule::Stops("second derivatives are not taken");
}

impl Differentiable for HashGridScatter {
    const RULE: Rule<Self> = Rule::Stops("second derivatives are not taken");
}

impl Differentiable for HashGridCollect {
    const RULE: Rule<Self> = Rule::Stops("second derivatives are not taken");
}

impl Differentiable for HashGridBackwardInput {
    const RULE: Rule<Self> = Rule::Stops("second derivatives are not taken");
}
