//! Samples that were read: an owned piece of a source's data.

use std::ops::Range;
use std::sync::Arc;

use half::f16;

use super::fields::{Element, Field, Fields, Part};
use crate::error::{Error, Result};

/// The values of one column, one sample after the other.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Values {
    /// Bytes.
    U8(Vec<u8>),
    /// Integers.
    U32(Vec<u32>),
    /// Floats of 16 bits.
    F16(Vec<f16>),
    /// Floats of 32 bits.
    F32(Vec<f32>),
    /// Floats of which only those that are not 0 are stored.
    Sparse(SparseRows),
}

/// Rows of floats of which only those that are not 0 are stored.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SparseRows {
    /// For each row, where it ends in the other two.
    ends: Vec<usize>,
    indices: Vec<u32>,
    values: Vec<f32>,
}

impl SparseRows {
    /// Adds a row: `values[i]` at place `indices[i]`. The places ascend.
    ///
    /// # Errors
    /// [`Error::Argument`] if there are not as many places as values, or the places do not ascend.
    pub fn push(&mut self, indices: &[u32], values: &[f32]) -> Result<()> {
        if indices.len() != values.len() {
            let problem = format!("has {} places for {} values", indices.len(), values.len());
            return Err(Error::argument("sparse row", problem));
        }
        if !indices.is_sorted_by(|a, b| a < b) {
            return Err(Error::argument("sparse row", "has places that do not ascend"));
        }
        self.indices.extend_from_slice(indices);
        self.values.extend_from_slice(values);
        self.ends.push(self.indices.len());
        Ok(())
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True if there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The places and the values of row `row`; empty ones if there is no such row.
    #[must_use]
    pub fn row(&self, row: usize) -> (&[u32], &[f32]) {
        let start = row.checked_sub(1).and_then(|before| self.ends.get(before)).copied();
        let range = start.unwrap_or(0)..self.ends.get(row).copied().unwrap_or(0);
        let indices = self.indices.get(range.clone()).unwrap_or_default();
        (indices, self.values.get(range).unwrap_or_default())
    }

    /// Forgets the first rows.
    fn remove_first(&mut self, rows: usize) {
        let rows = rows.min(self.ends.len());
        let last = self.ends.drain(..rows).next_back();
        let Some(end) = last else { return };
        self.indices.drain(..end);
        self.values.drain(..end);
        self.ends.iter_mut().for_each(|other| *other -= end);
    }

    fn truncate(&mut self, rows: usize) {
        self.ends.truncate(rows);
        let end = self.ends.last().copied().unwrap_or(0);
        self.indices.truncate(end);
        self.values.truncate(end);
    }
}

/// One value of one sample, as it is stored.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Row<'a> {
    /// All of its values, as bytes in the machine's order.
    Dense(&'a [u8]),
    /// Those that are not 0.
    Sparse {
        /// Their places, ascending.
        indices: &'a [u32],
        /// They themselves.
        values: &'a [f32],
    },
}

impl Values {
    /// None yet, of the type of `field`.
    #[must_use]
    pub fn new(field: &Field) -> Self {
        if field.sparse {
            return Values::Sparse(SparseRows::default());
        }
        match field.element {
            Element::U8 => Values::U8(Vec::new()),
            Element::U32 => Values::U32(Vec::new()),
            Element::F16 => Values::F16(Vec::new()),
            Element::F32 => Values::F32(Vec::new()),
        }
    }

    /// Adds the bytes of whole values, in the machine's order.
    ///
    /// # Errors
    /// [`Error::Shape`] if they are not whole values, or if the column is sparse.
    pub fn extend_from_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        let size = match self {
            Values::U8(_) => 1,
            Values::F16(_) => 2,
            Values::U32(_) | Values::F32(_) => 4,
            Values::Sparse(_) => usize::MAX,
        };
        if !bytes.len().is_multiple_of(size) {
            return Err(Error::Shape {
                what: "values".into(),
                actual: format!("{} bytes", bytes.len()),
                expected: match size {
                    usize::MAX => "places and values, as the column is sparse".into(),
                    _ => format!("a multiple of {size} bytes"),
                },
            });
        }
        let read = bytemuck::pod_read_unaligned::<f32>;
        match self {
            Values::U8(values) => values.extend_from_slice(bytes),
            Values::U32(values) => {
                values.extend(bytes.chunks_exact(4).map(bytemuck::pod_read_unaligned::<u32>));
            }
            Values::F16(values) => {
                let words = bytes.chunks_exact(2).map(bytemuck::pod_read_unaligned::<u16>);
                values.extend(words.map(f16::from_bits));
            }
            Values::F32(values) => values.extend(bytes.chunks_exact(4).map(read)),
            Values::Sparse(_) => {}
        }
        Ok(())
    }

    /// Adds a row of another column of the same type.
    ///
    /// # Errors
    /// As [`extend_from_bytes`](Self::extend_from_bytes), and if only one of the two is sparse.
    pub fn push_row(&mut self, row: Row<'_>) -> Result<()> {
        match (self, row) {
            (Values::Sparse(rows), Row::Sparse { indices, values }) => rows.push(indices, values),
            (values, Row::Dense(bytes)) => values.extend_from_bytes(bytes),
            (_, Row::Sparse { .. }) => {
                Err(Error::argument("samples", "have a sparse row for a column that is not sparse"))
            }
        }
    }

    /// Samples of `width` values; `None` if they are not a whole number of them.
    fn samples(&self, width: usize) -> Option<usize> {
        let values = match self {
            Values::U8(values) => values.len(),
            Values::U32(values) => values.len(),
            Values::F16(values) => values.len(),
            Values::F32(values) => values.len(),
            Values::Sparse(rows) => return Some(rows.len()),
        };
        values.is_multiple_of(width).then(|| values / width)
    }

    fn truncate(&mut self, samples: usize, width: usize) {
        match self {
            Values::U8(values) => values.truncate(samples * width),
            Values::U32(values) => values.truncate(samples * width),
            Values::F16(values) => values.truncate(samples * width),
            Values::F32(values) => values.truncate(samples * width),
            Values::Sparse(rows) => rows.truncate(samples),
        }
    }

    fn remove_first(&mut self, samples: usize, width: usize) {
        fn remove<T>(values: &mut Vec<T>, count: usize) {
            values.drain(..count.min(values.len()));
        }
        match self {
            Values::U8(values) => remove(values, samples * width),
            Values::U32(values) => remove(values, samples * width),
            Values::F16(values) => remove(values, samples * width),
            Values::F32(values) => remove(values, samples * width),
            Values::Sparse(rows) => rows.remove_first(samples),
        }
    }

    /// The sample at `place`, of `width` values; an empty one if it is not there.
    fn row(&self, place: usize, width: usize) -> Row<'_> {
        let range = place * width..(place + 1) * width;
        let bytes: Option<&[u8]> = match self {
            Values::U8(values) => values.get(range),
            Values::U32(values) => values.get(range).map(bytemuck::cast_slice),
            Values::F16(values) => {
                use half::slice::HalfFloatSliceExt;
                values.get(range).map(|row| bytemuck::cast_slice(row.reinterpret_cast()))
            }
            Values::F32(values) => values.get(range).map(bytemuck::cast_slice),
            Values::Sparse(rows) => {
                let (indices, values) = rows.row(place);
                return Row::Sparse { indices, values };
            }
        };
        Row::Dense(bytes.unwrap_or_default())
    }

    /// Adds a sample of `from`, which is of the same type.
    fn push_from(&mut self, from: &Values, place: usize, width: usize) -> Result<()> {
        let range = place * width..(place + 1) * width;
        match (self, from) {
            (Values::U8(to), Values::U8(from)) => extend(to, from, range),
            (Values::U32(to), Values::U32(from)) => extend(to, from, range),
            (Values::F16(to), Values::F16(from)) => extend(to, from, range),
            (Values::F32(to), Values::F32(from)) => extend(to, from, range),
            (Values::Sparse(to), Values::Sparse(from)) => {
                let (indices, values) = from.row(place);
                return to.push(indices, values);
            }
            _ => return Err(Error::argument("samples", "are not of the same fields")),
        }
        Ok(())
    }
}

fn extend<T: Copy>(to: &mut Vec<T>, from: &[T], range: Range<usize>) {
    to.extend_from_slice(from.get(range).unwrap_or_default());
}

/// Samples that were read, column by column. Whoever reads appends the values of a sample to each
/// column, and then [completes](Self::complete) it. Cleared and filled again, it allocates nothing
/// once it has grown.
#[derive(Debug, Clone)]
pub struct Samples {
    fields: Arc<Fields>,
    columns: Vec<Values>,
    /// Values in a sample of each column.
    widths: Vec<usize>,
    len: usize,
}

impl Samples {
    /// None yet.
    #[must_use]
    pub fn new(fields: Arc<Fields>) -> Self {
        let columns = fields.columns().map(|(_, field)| Values::new(field)).collect();
        let widths = fields.columns().map(|(_, field)| field.width()).collect();
        Samples { fields, columns, widths, len: 0 }
    }

    /// What each of them consists of.
    #[must_use]
    pub fn fields(&self) -> &Arc<Fields> {
        &self.fields
    }

    /// Number of complete samples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if there is no sample.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Forgets all but the first `samples`, and what was appended to a column and not completed.
    pub fn truncate(&mut self, samples: usize) {
        self.len = self.len.min(samples);
        for (&width, values) in self.widths.iter().zip(&mut self.columns) {
            values.truncate(self.len, width);
        }
    }

    /// Forgets all but those at the places `kept`.
    pub(crate) fn keep(&mut self, kept: Range<usize>) {
        self.truncate(kept.end);
        let first = kept.start.min(self.len);
        if first > 0 {
            for (&width, values) in self.widths.iter().zip(&mut self.columns) {
                values.remove_first(first, width);
            }
            self.len -= first;
        }
    }

    /// Forgets all samples, and keeps their memory.
    pub fn clear(&mut self) {
        self.truncate(0);
    }

    /// The columns: inputs, then targets, then weights. Append values, then
    /// [`complete`](Self::complete).
    pub fn columns_mut(&mut self) -> &mut [Values] {
        &mut self.columns
    }

    /// The columns: inputs, then targets, then weights.
    #[must_use]
    pub fn columns(&self) -> &[Values] {
        &self.columns
    }

    /// The values of input `name`. If there is only one input, its name does not matter.
    #[must_use]
    pub fn input(&self, name: &str) -> Option<&Values> {
        self.columns.get(self.find(Part::Input, name)?)
    }

    /// The values of input `name`, to be changed. If there is only one input, its name does not
    /// matter.
    pub fn input_mut(&mut self, name: &str) -> Option<&mut Values> {
        let column = self.find(Part::Input, name)?;
        self.columns.get_mut(column)
    }

    /// The values of target `name`. If there is only one target, its name does not matter.
    #[must_use]
    pub fn target(&self, name: &str) -> Option<&Values> {
        self.columns.get(self.find(Part::Target, name)?)
    }

    /// The values of target `name`, to be changed. If there is only one target, its name does not
    /// matter.
    pub fn target_mut(&mut self, name: &str) -> Option<&mut Values> {
        let column = self.find(Part::Target, name)?;
        self.columns.get_mut(column)
    }

    fn find(&self, part: Part, name: &str) -> Option<usize> {
        let (first, fields) = match part {
            Part::Input => (0, self.fields.inputs()),
            Part::Target => (self.fields.inputs().len(), self.fields.targets()),
            Part::Weight => {
                let before = self.fields.inputs().len() + self.fields.targets().len();
                (before, self.fields.weights())
            }
        };
        match fields {
            [_] => Some(first),
            fields => Some(first + fields.iter().position(|field| field.name == name)?),
        }
    }

    /// Counts `samples` more, whose values were appended to every column.
    ///
    /// # Errors
    /// [`Error::Shape`] if a column has more or fewer values, with its name; what was appended is
    /// forgotten then.
    pub fn complete(&mut self, samples: usize) -> Result<()> {
        let expected = self.len + samples;
        for (column, (&width, values)) in self.widths.iter().zip(&self.columns).enumerate() {
            let actual = values.samples(width);
            if actual != Some(expected) {
                let name = self.fields.columns().nth(column).map_or("", |(_, field)| &field.name);
                let error = Error::Shape {
                    what: format!("values of {name:?}"),
                    actual: match actual {
                        Some(all) => format!("{} samples", all.saturating_sub(self.len)),
                        None => "a part of a sample".into(),
                    },
                    expected: format!("{samples} samples of {width} values"),
                };
                self.truncate(self.len);
                return Err(error);
            }
        }
        self.len = expected;
        Ok(())
    }

    /// The value of column `column` of the sample at `place`; an empty one if it is not there.
    #[must_use]
    pub fn row(&self, column: usize, place: usize) -> Row<'_> {
        match (self.widths.get(column), self.columns.get(column)) {
            (Some(&width), Some(values)) => values.row(place, width),
            _ => Row::Dense(&[]),
        }
    }

    /// Adds the sample of `from` at `place`, which has the same fields.
    ///
    /// # Errors
    /// [`Error::Argument`] if the fields are others, [`Error::Shape`] if it is not there.
    pub fn push_from(&mut self, from: &Samples, place: usize) -> Result<()> {
        for ((&width, to), from) in self.widths.iter().zip(&mut self.columns).zip(&from.columns) {
            to.push_from(from, place, width)?;
        }
        self.complete(1)
    }
}
