//! How the parity suite tries the operations on columns. They copy, so that nothing may be off.

use super::{Concatenate, Slice};
use crate::error::Result;
use crate::operation::case::{Case, Cases, Form, ROWS_BEYOND, Values};

impl Cases for Concatenate {
    fn forms() -> Vec<Form> {
        let mistakes = [
            ("one column too many of the first", "column < shape.inputs", "column <= shape.inputs"),
            ("padding that is not zero", "} else if (column < shape.units) {", "} else {"),
            (
                "the second from its second column on",
                "+ column - shape.inputs",
                "+ column - shape.inputs + 1u",
            ),
            ("rows that are not padded", "(columns + 3u) / 4u * 4u", "columns"),
            (
                "a row of the second that is one of the first",
                "second_row = row",
                "second_row = 0u * row",
            ),
            ROWS_BEYOND,
        ];
        let form = Form::new::<Self>("", |shape, seed| concatenate(shape, Values::new(seed)));
        vec![form.mutations(&mistakes)]
    }
}

impl Cases for Slice {
    fn forms() -> Vec<Form> {
        let mistakes = [
            ("no offset", "+ shape.offset", ""),
            ("one column too far", "+ shape.offset", "+ shape.offset + 1u"),
            ("padding that is not zero", "column < shape.units", "true"),
            ROWS_BEYOND,
        ];
        let form = Form::new::<Self>("", |shape, seed| slice(shape, Values::new(seed)));
        vec![form.mutations(&mistakes)]
    }
}

fn concatenate(shape: [usize; 3], mut values: Values) -> Result<Case> {
    let [rows, inputs, units] = shape;
    let mut case = Case::new(shape);
    let first = case.table.activation("first", inputs)?;
    let second = case.table.activation("second", units)?;
    let output = case.table.activation("output", inputs + units)?;
    case.push(Concatenate { first, second, output })?;
    case.fill(first, values.signed(rows * inputs));
    case.fill(second, values.signed(rows * units));
    case.expect(output, vec![0.0; rows * (inputs + units)]);
    Ok(case)
}

fn slice(shape: [usize; 3], mut values: Values) -> Result<Case> {
    let [rows, inputs, units] = shape;
    let mut case = Case::new(shape);
    // In some cases, columns are left over after those that are taken.
    let columns = inputs + units + rows % 3;
    let input = case.table.activation("input", columns)?;
    let output = case.table.activation("output", units)?;
    case.push(Slice { input, output, offset: inputs })?;
    case.fill(input, values.signed(rows * columns));
    case.expect(output, vec![0.0; rows * units]);
    Ok(case)
}
