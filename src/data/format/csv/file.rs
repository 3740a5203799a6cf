//! A CSV file that was opened: a row is a sample.

use std::sync::Arc;

use super::columns::{CsvColumn, CsvMissing, CsvType, Reading};
use super::rows::{At, BUFFER, Rows, SMALL_BUFFER};
use super::settings::Csv;
use crate::data::fields::{Element, Field, Fields};
use crate::data::file::PositionedFile;
use crate::data::row_index::RowIndex;
use crate::data::samples::{Samples, Values};
use crate::data::source::{RandomAccess, Source, StreamPass, Streaming, Visit};
use crate::error::{Error, Result};

/// A CSV file that was opened. Cloning it shares what is known of it.
#[derive(Debug, Clone)]
pub struct CsvFile(pub(super) Arc<Opened>);

#[derive(Debug)]
pub(super) struct Opened {
    pub csv: Csv,
    file: Arc<PositionedFile>,
    pub columns: Vec<Reading>,
    index: RowIndex,
    /// The first row, if it has the columns' names.
    pub header: Option<Vec<Vec<u8>>>,
    missing: u64,
    fields: Arc<Fields>,
}

impl CsvFile {
    pub(super) fn new(
        csv: Csv,
        file: Arc<PositionedFile>,
        columns: Vec<Reading>,
        index: RowIndex,
        header: Option<Vec<Vec<u8>>>,
        missing: u64,
    ) -> Result<Self> {
        let inputs = || columns.iter().filter(|reading| !reading.column.is_target);
        let width: usize = inputs().map(Reading::width).sum();
        let bytes = inputs()
            .all(|reading| matches!(reading.column.kind, CsvType::Byte | CsvType::Ignored))
            && csv.missing == CsvMissing::Refuse;
        let shape = csv.input_shape.clone().unwrap_or_else(|| vec![width]);
        if shape.iter().try_fold(1usize, |product, &d| product.checked_mul(d)) != Some(width) {
            let problem = format!("is {shape:?}; the input has {width} values");
            return Err(Error::argument("input_shape", problem));
        }
        let element = if bytes { Element::U8 } else { Element::F32 };
        let targets: Vec<Field> = columns
            .iter()
            .filter(|reading| reading.column.is_target)
            .map(|Reading { column, .. }| {
                let name = match csv.targets.len() {
                    1 => "output",
                    _ => &column.name,
                };
                match column.kind {
                    CsvType::Category => {
                        Field::class(name, None).with_class_names(column.categories.clone())
                    }
                    CsvType::Number | CsvType::Byte | CsvType::Ignored => {
                        Field::new(name, Element::F32, &[1])
                    }
                }
            })
            .collect();
        let fields = Fields::new([Field::new("input", element, &shape)], targets)?;
        Ok(CsvFile(Arc::new(Opened { csv, file, columns, index, header, missing, fields })))
    }

    /// The columns, with what was told or inferred of each.
    pub fn columns(&self) -> impl Iterator<Item = &CsvColumn> {
        self.0.columns.iter().map(|reading| &reading.column)
    }

    /// What each value of the input is: `age`, or `colour=red` for a category.
    #[must_use]
    pub fn input_names(&self) -> Vec<String> {
        let inputs = self.0.columns.iter().filter(|reading| !reading.column.is_target);
        let names = inputs.flat_map(|reading| {
            let CsvColumn { name, kind, categories, .. } = &reading.column;
            match (kind, reading.one_hot) {
                (CsvType::Ignored, _) => Vec::new(),
                (CsvType::Category, true) => {
                    categories.iter().map(|category| format!("{name}={category}")).collect()
                }
                (CsvType::Category | CsvType::Number | CsvType::Byte, _) => vec![name.clone()],
            }
        });
        names.collect()
    }

    /// Whether the first row has the columns' names.
    #[must_use]
    pub fn has_header(&self) -> bool {
        self.0.header.is_some()
    }

    /// Number of fields without a value, in columns that are used.
    #[must_use]
    pub fn missing_values(&self) -> u64 {
        self.0.missing
    }

    /// Number of rows; at least 1.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "there is at least one row")]
    pub fn len(&self) -> usize {
        self.0.index.rows()
    }

    /// As a source of random access. Up to 131,072 rows are found at once; in a longer file, some
    /// rows before the one wanted are read and skipped, `rows / 131,072` on average at most.
    #[must_use]
    pub fn source(&self) -> Source {
        Source::new(self.clone())
    }

    /// As a stream of rows in the file's order.
    #[must_use]
    pub fn stream(&self) -> Source {
        Source::stream(CsvStream(self.clone()))
    }
}

impl Opened {
    /// Rows from `row` on.
    fn rows_from(&self, row: usize, buffer: usize) -> Result<Rows> {
        let ended = |rows| {
            let problem = format!("ends before row {rows}; it had {} rows", self.index.rows());
            Error::data(self.csv.path.display().to_string(), problem)
        };
        let (start, skip) = self.index.find(row).ok_or_else(|| ended(row))?;
        let mut rows = Rows::new(&self.file, self.csv.delimiter, start, buffer);
        for _ in 0..skip {
            if !rows.skip()? {
                return Err(ended(row));
            }
        }
        Ok(rows)
    }

    /// What is wrong if there is no row where there was one.
    fn ended(&self, rows: &Rows) -> Error {
        let place = format!("{}, line {}", self.csv.path.display(), rows.position().line);
        let problem =
            format!("the file ends there; it had {} rows when it was opened", self.index.rows());
        Error::data(place, problem)
    }

    /// Appends the next row.
    fn append(&self, rows: &mut Rows, into: &mut Samples) -> Result<()> {
        if !rows.read()? {
            return Err(self.ended(rows));
        }
        let at = At { path: &self.csv.path, line: rows.position().line };
        at.check_width(rows, self.columns.len())?;
        let Some((input, mut targets)) = into.columns_mut().split_first_mut() else {
            return Ok(());
        };
        for (reading, field) in self.columns.iter().zip(rows.fields()) {
            let missing = self.csv.is_missing(field);
            let appended = if reading.column.is_target {
                let columns = std::mem::take(&mut targets);
                let Some((target, rest)) = columns.split_first_mut() else { continue };
                targets = rest;
                append_target(reading, field, missing, target)
            } else {
                reading.append(field, missing, input)
            };
            appended.map_err(|problem| at.error(&reading.column.name, problem))?;
        }
        into.complete(1)
    }
}

fn append_target(
    reading: &Reading,
    field: &[u8],
    missing: bool,
    into: &mut Values,
) -> Result<(), String> {
    if missing {
        return Err("has no value, and is a target".into());
    }
    match into {
        Values::U32(values) => values.push(reading.category(field)?),
        Values::F32(values) => values.push(reading.number(field)?),
        Values::U8(_) | Values::F16(_) | Values::Sparse(_) => {}
    }
    Ok(())
}

impl RandomAccess for CsvFile {
    fn fields(&self) -> &Arc<Fields> {
        &self.0.fields
    }

    fn len(&self) -> usize {
        self.0.index.rows()
    }

    fn read(&self, index: usize, visit: &Visit, into: &mut Samples) -> Result<()> {
        self.read_all(&[index], visit, into)
    }

    fn read_all(&self, indices: &[usize], _: &Visit, into: &mut Samples) -> Result<()> {
        for run in indices.chunk_by(|a, b| a.checked_add(1) == Some(*b)) {
            let Some(&first) = run.first() else { continue };
            let buffer = if run.len() < 64 { SMALL_BUFFER } else { BUFFER };
            let mut rows = self.0.rows_from(first, buffer)?;
            for _ in run {
                self.0.append(&mut rows, into)?;
            }
        }
        Ok(())
    }

    fn place(&self, index: usize) -> String {
        let path = self.0.csv.path.display();
        let row = self.0.rows_from(index, SMALL_BUFFER);
        match row.and_then(|mut rows| rows.read().map(|_| rows.position().line)) {
            Ok(line) => format!("{path}, line {line}"),
            Err(_) => format!("{path}, row {index}"),
        }
    }
}

/// The rows of a file, in order.
#[derive(Debug)]
struct CsvStream(CsvFile);

impl Streaming for CsvStream {
    fn fields(&self) -> &Arc<Fields> {
        &self.0.0.fields
    }

    fn len(&self) -> Option<usize> {
        Some(self.0.len())
    }

    fn start(&self, _: &Visit) -> Result<Box<dyn StreamPass>> {
        let rows = self.0.0.rows_from(0, BUFFER)?;
        Ok(Box::new(CsvPass { file: self.0.clone(), rows, given: 0 }))
    }
}

struct CsvPass {
    file: CsvFile,
    rows: Rows,
    given: usize,
}

impl StreamPass for CsvPass {
    fn next(&mut self, most: usize, into: &mut Samples) -> Result<()> {
        for _ in 0..most.min(self.file.len() - self.given) {
            self.file.0.append(&mut self.rows, into)?;
            self.given += 1;
        }
        Ok(())
    }

    fn skip(&mut self, most: usize, _: &mut Samples) -> Result<usize> {
        let skipped = most.min(self.file.len() - self.given);
        for _ in 0..skipped {
            if !self.rows.skip()? {
                return Err(self.file.0.ended(&self.rows));
            }
            self.given += 1;
        }
        Ok(skipped)
    }
}
