//! Fills what an executor reads with the samples of a batch: here data and program meet.

use super::executor::Fill;
use crate::data::{Batch, Dataset, Features, Row, Targets};
use crate::error::{Error, Result};
use crate::program::{
    Buffer, BufferId, Column, Element, Feed, Pass, Program, Role, SPARSE_ROW, too_many_values,
};

/// Fills `feed` with what `pass` of `program` reads of the samples of `batch`, whose columns are in
/// the program's order.
///
/// # Errors
/// [`Error::Shape`] if a column of the data does not fit, [`Error::Argument`] if a sample does not
/// exist or there are not as many as the feed has rows.
pub fn fill(feed: &mut impl Feed, program: &Program, pass: Pass, batch: Batch<'_>) -> Result<()> {
    let read = |role: Role| program.of_role(role).filter(move |_| pass.reads(role));
    for (number, (_, buffer)) in read(Role::Target).enumerate() {
        check_target(buffer, target_width(batch.data, number))?;
    }
    let [weights, targets] = [Role::SampleWeight, Role::Target].map(read);
    fill_targets(feed, weights.map(|(id, _)| id), targets.map(|(id, _)| id), batch)?;
    for (number, (id, buffer)) in program.of_role(Role::Input).enumerate() {
        check_input(buffer, input_kind(batch.data, number))?;
        push_input(feed.column(id)?, batch, number, &buffer.name)?;
    }
    Ok(())
}

/// Fills the buffers of `weights` and `targets`, which are in the data's order, and fit the data.
///
/// # Errors
/// [`Error::Argument`] if a sample does not exist or there are not as many as the feed has rows.
pub(super) fn fill_targets(
    feed: &mut impl Feed,
    weights: impl Iterator<Item = BufferId>,
    targets: impl Iterator<Item = BufferId>,
    batch: Batch<'_>,
) -> Result<()> {
    let Batch { data, indices } = batch;
    // In the order in which they lie in a feed of the GPU's.
    for (number, id) in weights.enumerate() {
        let mut column = feed.column(id)?;
        if data.is_weighted() {
            for sample in batch.samples() {
                column.push(&sample?.weight(number).to_ne_bytes())?;
            }
        } else {
            column.push_words(indices.iter().map(|_| 1f32.to_bits()))?;
        }
    }
    for (number, id) in targets.enumerate() {
        let mut column = feed.column(id)?;
        let labels = data.labels_of(number).unwrap_or_default();
        let label = |index: &u32| labels.get(*index as usize).copied();
        if indices.iter().all(|index| label(index).is_some()) {
            column.push_words(indices.iter().filter_map(label))?;
            continue;
        }
        for sample in batch.samples() {
            column.push(sample?.target(number))?;
        }
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

fn push_input(mut column: impl Column, batch: Batch<'_>, number: usize, name: &str) -> Result<()> {
    let stored = batch.data.inputs().get(number).map(|input| &input.features);
    let mut floats = Vec::new();
    for (sample, index) in batch.samples().zip(batch.indices) {
        match (sample?.row(number), stored) {
            (Row::Dense(bytes), Some(Features::F16(_))) => {
                floats_of_halves(bytes, &mut floats);
                column.push(bytemuck::cast_slice(&floats))?;
            }
            (Row::Dense(bytes), Some(Features::U32(_))) => {
                floats_of_integers(bytes, &mut floats)
                    .map_err(|problem| Error::data(format!("sample {index}, {name}"), problem))?;
                column.push(bytemuck::cast_slice(&floats))?;
            }
            (Row::Dense(bytes), _) => column.push(bytes)?,
            (Row::Sparse { indices, values }, _) => column
                .push_sparse(indices, values)
                .map_err(|error| of_sample(error, || format!("sample {index}, {name}")))?,
        }
    }
    Ok(())
}

/// The floats that the bytes of 16-bit floats stand for.
pub(super) fn floats_of_halves(bytes: &[u8], floats: &mut Vec<f32>) {
    let words = bytes.chunks_exact(2).map(bytemuck::pod_read_unaligned::<u16>);
    floats.clear();
    floats.extend(words.map(|word| half::f16::from_bits(word).to_f32()));
}

/// The floats that the bytes of integers stand for.
///
/// # Errors
/// If an f32 does not hold one exactly.
pub(super) fn floats_of_integers(bytes: &[u8], floats: &mut Vec<f32>) -> Result<(), String> {
    floats.clear();
    for integer in bytes.chunks_exact(4).map(bytemuck::pod_read_unaligned::<u32>) {
        if integer >= 1 << 24 {
            return Err(format!(
                "has the value {integer}; integers as inputs must be less than 2^24, which f32 \
                 holds exactly"
            ));
        }
        floats.push(integer as f32);
    }
    Ok(())
}

/// An error of a sparse row, with the sample that has it.
pub(super) fn of_sample(error: Error, place: impl FnOnce() -> String) -> Error {
    match error {
        Error::Argument { argument: SPARSE_ROW, problem } => Error::data(place(), problem),
        error => error,
    }
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
        let width = input.width();
        let element = match input.features {
            Features::U8(_) => Element::U8,
            // They become floats when a batch is filled.
            Features::F16(_) | Features::U32(_) | Features::F32(_) => Element::Real,
            Features::Sparse(_) => Element::Sparse { width },
        };
        (element, width)
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
    let describe = |(element, width): (Element, usize)| match element {
        Element::U8 => format!("samples of {width} bytes"),
        Element::Real => format!("samples of {width} floats"),
        Element::U32 => format!("samples of {width} integers"),
        Element::Sparse { width } => format!("samples of {width} sparse floats"),
    };
    let expected = (buffer.element, buffer.columns);
    let wrong = |actual: String| Error::Shape {
        what: format!("the data does not fit the model's input ({})", buffer.name),
        actual,
        expected: describe(expected),
    };
    let actual = input.ok_or_else(|| wrong("no samples".into()))?;
    let fits = match (actual.0, buffer.element) {
        // The buffer's columns are the places for what a row has.
        (Element::Sparse { width }, Element::Sparse { width: expected }) => width == expected,
        _ => actual == expected,
    };
    match fits {
        true => Ok(()),
        false => Err(wrong(describe(actual))),
    }
}

/// Whether the sparse rows of input `column`, if it is sparse, fit this buffer.
///
/// # Errors
/// [`Error::Data`] for the first sample that has more values than there are places.
pub(super) fn check_sparse_rows(buffer: &Buffer, data: &Dataset, column: usize) -> Result<()> {
    let most = buffer.columns / 2;
    let longest = data.inputs().get(column).map_or(0, |input| match &input.features {
        Features::Sparse(matrix) => matrix.longest(),
        Features::U8(_) | Features::F16(_) | Features::U32(_) | Features::F32(_) => 0,
    });
    if longest <= most {
        return Ok(());
    }
    // The data may be a part of the set, without the longest row.
    for index in 0..data.len() {
        if let Row::Sparse { values, .. } = data.sample(index)?.row(column)
            && values.len() > most
        {
            let (count, place) = (values.len(), format!("sample {index}, {}", buffer.name));
            return Err(Error::data(place, too_many_values(count, most)));
        }
    }
    Ok(())
}
