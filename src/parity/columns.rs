//! The cases of operations that bring rows together or take them apart.

use super::case::{Case, Values};
use super::operations::finish;
use crate::error::Result;
use crate::number::bounds;
use crate::operation::{self, Op};
use crate::program::{BufferId, Pass, ProgramBuilder};

pub(super) fn add(shape: [usize; 3], mut values: Values) -> Result<Case> {
    let [rows, _, units] = shape;
    let mut builder = ProgramBuilder::new();
    let first = builder.activation("first", units)?;
    let second = builder.activation("second", units)?;
    let output = builder.activation("output", units)?;
    builder.push(Pass::Predict, Op::Add(operation::Add { first, second, output }))?;
    let fills = [first, second].map(|id| (id, values.signed(rows * units))).to_vec();
    let bound = move |result: &dyn Fn(BufferId) -> Vec<f64>| {
        result(output).into_iter().map(bounds::rounded).collect()
    };
    Ok(finish(builder, shape, fills, vec![(output, Box::new(bound))]))
}

pub(super) fn concatenate(shape: [usize; 3], mut values: Values) -> Result<Case> {
    let [rows, inputs, units] = shape;
    let mut builder = ProgramBuilder::new();
    let first = builder.activation("first", inputs)?;
    let second = builder.activation("second", units)?;
    let output = builder.activation("output", inputs + units)?;
    builder
        .push(Pass::Predict, Op::Concatenate(operation::Concatenate { first, second, output }))?;
    let fills = vec![(first, values.signed(rows * inputs)), (second, values.signed(rows * units))];
    let exact = move |_: &dyn Fn(BufferId) -> Vec<f64>| vec![0.0; rows * (inputs + units)];
    Ok(finish(builder, shape, fills, vec![(output, Box::new(exact))]))
}

pub(super) fn slice(shape: [usize; 3], mut values: Values) -> Result<Case> {
    let [rows, inputs, units] = shape;
    let mut builder = ProgramBuilder::new();
    // Something may follow what is taken.
    let columns = inputs + units + rows % 3;
    let input = builder.activation("input", columns)?;
    let output = builder.activation("output", units)?;
    builder.push(Pass::Predict, Op::Slice(operation::Slice { input, output, offset: inputs }))?;
    let fills = vec![(input, values.signed(rows * columns))];
    let exact = move |_: &dyn Fn(BufferId) -> Vec<f64>| vec![0.0; rows * units];
    Ok(finish(builder, shape, fills, vec![(output, Box::new(exact))]))
}
