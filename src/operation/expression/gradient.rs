//! The gradient rules of expressions and of sums over a row. Both are maps and sums again, so a second
//! derivative could be taken by the same rules.

use super::{Map, RowSum};
use crate::error::Result;
use crate::number::expression::{Expression, Formula};
use crate::operation::tape::{Differentiable, Rule, Tape};
use crate::table::BufferId;

impl Differentiable for Map {
    const RULE: Rule<Self> = Rule::Reverse(|op, tape| {
        let Some(output_gradient) = tape.total(op.output)? else { return Ok(()) };
        let mut operands: Vec<BufferId> = op.operands().collect();
        operands.push(output_gradient);
        for (number, operand) in op.operands().enumerate() {
            let derivative = tape.table.expression(op.expression).derivative(number);
            let Some(derivative) = derivative.filter(|_| tape.wants(operand)) else { continue };
            let product = derivative.times(operands.len() - 1);
            push(tape, op, operand, product, &operands)?;
        }
        Ok(())
    });
}

/// Pushes the gradient of one operand of `op`: `product` of those of `operands` that it names.
fn push(
    tape: &mut Tape,
    op: &Map,
    operand: BufferId,
    product: Formula,
    operands: &[BufferId],
) -> Result<()> {
    let used = product.operands();
    let named: Vec<BufferId> =
        used.iter().filter_map(|&number| operands.get(number)).copied().collect();
    let columns = tape.table.columns(op.output);
    let expression = tape.table.add_expression(product.renumbered(&used));
    if tape.table.columns(operand) == columns {
        let output = tape.gradient(operand)?;
        return tape.push(Map::new(&named, output, expression)?);
    }
    // The operand was the same for the whole row, so its slope is the sum over the row.
    let values = tape.zeros_like(operand, columns)?;
    tape.push(Map::new(&named, values, expression)?)?;
    let output = tape.gradient(operand)?;
    tape.push(RowSum { input: values, output })
}

impl Differentiable for RowSum {
    const RULE: Rule<Self> = Rule::Reverse(|op, tape| {
        let Some(output_gradient) = tape.total(op.output)? else { return Ok(()) };
        if !tape.wants(op.input) {
            return Ok(());
        }
        // An expression of nothing but the gradient of the sum repeats it along the row.
        let broadcast = Formula::new(&Expression::operand(0))?;
        let expression = tape.table.add_expression(broadcast);
        let input_gradient = tape.gradient(op.input)?;
        tape.push(Map::new(&[output_gradient], input_gradient, expression)?)
    });
}
