//! Fills what an executor reads with the samples of a batch: here data and program meet.

use super::executor::Fill;
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
            check_target(buffer, target_width(batch.data, number))?;
            push(feed.column(id)?, batch, |sample| sample.target(number))?;
        }
    }
    for (number, (id, buffer)) in program.of_role(Role::Input).enumerate() {
        check_input(buffer, input_kind(batch.data, number))?;
        push(feed.column(id)?, batch, |sample| sample.input(number))?;
    }
    Ok(())
}

/// The samples of a batch in memory, to fill a feed with.
pub(super) struct FromDataset<'a> {
    pub program: &'a Program,
    pub pass: Pass,
    pub batch: Batch<'a>,
}

impl Fill for FromDataset<'_> {
    fn fill(&self, feed: &mut impl Feed) -> Result<()> {
        fill(feed, self.program, self.pass, self.batch)
    }
}

fn push(
    mut column: impl Column,
    batch: Batch<'_>,
    part: impl for<'a> Fn(Sample<'a>) -> &'a [u8],
) -> Result<()> {
    batch.samples().try_for_each(|sample| column.push(part(sample?)))
}

/// Of target `column` the floats of a sample, or `None` for class indices; nothing if it is not
/// there.
pub(super) fn target_width(data: &Dataset, column: usize) -> Option<Option<usize>> {
    data.targets().get(column).map(|target| match target.targets {
        Targets::Classes(_) => None,
        Targets::Values { width, .. } => Some(width),
    })
}

/// Of input `column` the element type and the values of a sample; nothing if it is not there.
pub(super) fn input_kind(data: &Dataset, column: usize) -> Option<(Element, usize)> {
    data.inputs().get(column).map(|input| {
        let element = match input.features {
            Features::U8(_) => Element::U8,
            Features::F32(_) => Element::Real,
        };
        (element, input.width())
    })
}

/// Whether a target of `width` floats, or of class indices if that is `None`, can fill this buffer.
///
/// # Errors
/// [`Error::Shape`] if it has another width or type, or is not there.
pub(super) fn check_target(buffer: &Buffer, target: Option<Option<usize>>) -> Result<()> {
    let describe = |width: Option<usize>| match width {
        None => "class indices (a Vec<u32>)".to_owned(),
        Some(1) => "1 float a sample (Targets::values)".to_owned(),
        Some(width) => format!("{width} floats a sample (Targets::values)"),
    };
    let classes = target == Some(None);
    let instead = match classes && buffer.columns > 1 {
        true => ", 1 for its class and 0 for the others",
        false => "",
    };
    let wrong = |actual: String| Error::Shape {
        what: format!("the targets do not fit the model's loss and outputs ({})", buffer.name),
        actual,
        expected: describe((buffer.element == Element::Real).then_some(buffer.columns)) + instead,
    };
    let actual = target.ok_or_else(|| wrong("no targets".into()))?;
    match actual == (buffer.element == Element::Real).then_some(buffer.columns) {
        true => Ok(()),
        false => Err(wrong(describe(actual))),
    }
}

/// Whether an input of this element type and so many values can fill this buffer.
///
/// # Errors
/// [`Error::Shape`] if it has another width or type, or is not there.
pub(super) fn check_input(buffer: &Buffer, input: Option<(Element, usize)>) -> Result<()> {
    let describe = |(element, width): (Element, usize)| {
        let element = match element {
            Element::U8 => "bytes",
            Element::Real => "floats",
            Element::U32 => "integers",
        };
        format!("samples of {width} {element}")
    };
    let expected = (buffer.element, buffer.columns);
    let wrong = |actual: String| Error::Shape {
        what: format!("the data does not fit the model's input ({})", buffer.name),
        actual,
        expected: describe(expected),
    };
    let actual = input.ok_or_else(|| wrong("no samples".into()))?;
    match actual == expected {
        true => Ok(()),
        false => Err(wrong(describe(actual))),
    }
}
