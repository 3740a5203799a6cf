//! Fills what an executor reads with the samples of a batch: here data and program meet.

use crate::data::{Batch, Dataset, Features, Sample, Targets};
use crate::error::{Error, Result};
use crate::program::{Buffer, Column, Element, Feed, Pass, Program, Role};

/// Fills `feed` with what `pass` of `program` reads of the samples of `batch`, whose columns are in
/// the program's order.
///
/// # Errors
/// [`Error::Shape`] if a column of the data does not fit, [`Error::Argument`] if a sample does not
/// exist or there are not as many as the feed has rows.
pub fn fill(feed: &mut impl Feed, program: &Program, pass: Pass, batch: Batch<'_>) -> Result<()> {
    fill_targets(feed, program, pass, batch)?;
    for (number, (id, buffer)) in program.of_role(Role::Input).enumerate() {
        check_input(buffer, batch.data, number)?;
        push(feed.column(id)?, batch, |sample| sample.input(number))?;
    }
    Ok(())
}

/// The same without the inputs, which lie on the device.
///
/// # Errors
/// As [`fill`].
pub(super) fn fill_targets(
    feed: &mut impl Feed,
    program: &Program,
    pass: Pass,
    batch: Batch<'_>,
) -> Result<()> {
    // In the order in which they lie in a feed of the GPU's.
    if pass.reads(Role::SampleWeight) {
        for (number, (id, _)) in program.of_role(Role::SampleWeight).enumerate() {
            let mut column = feed.column(id)?;
            for sample in batch.samples() {
                column.push(&sample?.weight(number).to_ne_bytes())?;
            }
        }
    }
    if pass.reads(Role::Target) {
        for (number, (id, buffer)) in program.of_role(Role::Target).enumerate() {
            check_target(buffer, batch.data, number)?;
            push(feed.column(id)?, batch, |sample| sample.target(number))?;
        }
    }
    Ok(())
}

fn push(
    mut column: impl Column,
    batch: Batch<'_>,
    part: impl for<'a> Fn(Sample<'a>) -> &'a [u8],
) -> Result<()> {
    batch.samples().try_for_each(|sample| column.push(part(sample?)))
}

/// Whether target `column` of `data` can fill this buffer.
///
/// # Errors
/// [`Error::Shape`] if it has another width or type, or is not there.
pub(super) fn check_target(buffer: &Buffer, data: &Dataset, column: usize) -> Result<()> {
    let describe = |width: Option<usize>| match width {
        None => "class indices (a Vec<u32>)".to_owned(),
        Some(1) => "1 float a sample (Targets::values)".to_owned(),
        Some(width) => format!("{width} floats a sample (Targets::values)"),
    };
    let target = data.targets().get(column);
    let classes = target.is_some_and(|target| matches!(target.targets, Targets::Classes(_)));
    let instead = match classes && buffer.columns > 1 {
        true => ", 1 for its class and 0 for the others",
        false => "",
    };
    let wrong = |actual: String| Error::Shape {
        what: format!("the targets do not fit the model's loss and outputs ({})", buffer.name),
        actual,
        expected: describe((buffer.element == Element::Real).then_some(buffer.columns)) + instead,
    };
    let target = target.ok_or_else(|| wrong("no targets".into()))?;
    let actual = match target.targets {
        Targets::Classes(_) => None,
        Targets::Values { width, .. } => Some(width),
    };
    match actual == (buffer.element == Element::Real).then_some(buffer.columns) {
        true => Ok(()),
        false => Err(wrong(describe(actual))),
    }
}

/// Whether input `column` of `data` can fill this buffer.
///
/// # Errors
/// [`Error::Shape`] if it has another width or type, or is not there.
pub(super) fn check_input(buffer: &Buffer, data: &Dataset, column: usize) -> Result<()> {
    let describe = |width: usize, element: Element| {
        let element = match element {
            Element::U8 => "bytes",
            Element::Real => "floats",
            Element::U32 => "integers",
        };
        format!("samples of {width} {element}")
    };
    let wrong = |actual: String| Error::Shape {
        what: format!("the data does not fit the model's input ({})", buffer.name),
        actual,
        expected: describe(buffer.columns, buffer.element),
    };
    let input = data.inputs().get(column).ok_or_else(|| wrong("no samples".into()))?;
    let element = match input.features {
        Features::U8(_) => Element::U8,
        Features::F32(_) => Element::Real,
    };
    match (element, input.width()) == (buffer.element, buffer.columns) {
        true => Ok(()),
        false => Err(wrong(describe(input.width(), element))),
    }
}
