//! What is known of the columns of a table, without the table.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::columns::{CsvCategories, CsvColumn, CsvMissing, CsvType, Reading};
use super::file::CsvFile;
use super::rows::{Rows, SMALL_BUFFER};
use super::settings::Csv;
use crate::data::file::PositionedFile;
use crate::data::row_index::START;
use crate::error::Result;

/// What is needed to read further files with the columns of one that was
/// [opened](Csv::open): types, categories and means. It can be serialized, and so kept beside a
/// trained model, for instance in its [metadata](crate::Model::set_metadata).
///
/// ```
/// use minibatch::data::{Csv, CsvSchema};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let (path, other) = (directory.path().join("flats.csv"), directory.path().join("new.csv"));
/// std::fs::write(&path, "rooms,district,rent\n3,north,900\n2,south,850\n")?;
/// std::fs::write(&other, "rooms,district\n4,south\n")?;
/// let text = serde_json::to_string(&Csv::new(&path).target("rent").open()?.schema())?;
///
/// let schema: CsvSchema = serde_json::from_str(&text)?;
/// let new = schema.open_inputs(&other)?;
/// assert_eq!(new.input_names(), ["rooms", "district=north", "district=south"]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CsvSchema {
    delimiter: u8,
    missing: CsvMissing,
    markers: Vec<String>,
    categories: CsvCategories,
    input_shape: Option<Vec<usize>>,
    /// The first row, if it is a header.
    header: Option<Vec<Text>>,
    columns: Vec<SavedColumn>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct SavedColumn {
    name: String,
    kind: CsvType,
    is_target: bool,
    categories: Vec<Text>,
    /// What a missing number becomes.
    instead: Option<f32>,
}

/// A field of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Text {
    Utf8(String),
    /// In another encoding.
    Bytes(Vec<u8>),
}

impl Text {
    fn new(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Text::Utf8(text.to_owned()),
            Err(_) => Text::Bytes(bytes.to_vec()),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Text::Utf8(text) => text.as_bytes().to_vec(),
            Text::Bytes(bytes) => bytes.clone(),
        }
    }
}

impl CsvSchema {
    pub(super) fn new(csv: &Csv, header: Option<&[Vec<u8>]>, columns: &[Reading]) -> Self {
        let columns = columns.iter().map(|reading| SavedColumn {
            name: reading.column.name.clone(),
            kind: reading.column.kind,
            is_target: reading.column.is_target,
            categories: reading.category_fields().into_iter().map(Text::new).collect(),
            instead: reading.instead,
        });
        CsvSchema {
            delimiter: csv.delimiter,
            missing: csv.missing,
            markers: csv.markers.clone(),
            categories: csv.categories,
            input_shape: csv.input_shape.clone(),
            header: header.map(|row| row.iter().map(|field| Text::new(field)).collect()),
            columns: columns.collect(),
        }
    }

    /// Opens a file with the same columns, as [`CsvFile::like`].
    ///
    /// # Errors
    /// As [`CsvFile::like`].
    pub fn open(&self, path: impl Into<PathBuf>) -> Result<CsvFile> {
        let columns = self.columns.iter().map(|column| self.reading(column, column.is_target));
        let header = self.header.as_ref().map(|row| row.iter().map(Text::bytes).collect());
        self.csv(path.into()).open_as(columns.collect(), header, "the table that was learned from")
    }

    /// The same for a file whose targets are not to be read: their columns may be there, with
    /// whatever in them, or not. The source has no targets.
    ///
    /// # Errors
    /// As [`CsvFile::like`].
    pub fn open_inputs(&self, path: impl Into<PathBuf>) -> Result<CsvFile> {
        let csv = self.csv(path.into());
        let file = PositionedFile::open(&csv.path)?;
        let mut rows = Rows::new(&file, csv.delimiter, START, SMALL_BUFFER);
        rows.read()?;
        let with_targets = rows.len() == self.columns.len();
        let kept = |place: usize| {
            with_targets || self.columns.get(place).is_some_and(|column| !column.is_target)
        };
        let columns = self.columns.iter().enumerate().filter(|(place, _)| kept(*place));
        let columns = columns.map(|(_, column)| match column.is_target {
            true => {
                let kind = CsvType::Ignored;
                self.reading(&SavedColumn { kind, ..column.clone() }, false)
            }
            false => self.reading(column, false),
        });
        let header = self.header.as_ref().map(|row| {
            let fields = row.iter().enumerate().filter(|(place, _)| kept(*place));
            fields.map(|(_, field)| field.bytes()).collect()
        });
        csv.open_as(columns.collect(), header, "the table that was learned from")
    }

    /// How the file at `path` is read.
    fn csv(&self, path: PathBuf) -> Csv {
        let targets = self.columns.iter().filter(|column| column.is_target);
        Csv {
            delimiter: self.delimiter,
            missing: self.missing,
            markers: self.markers.clone(),
            categories: self.categories,
            input_shape: self.input_shape.clone(),
            targets: targets.map(|column| column.name.clone()).collect(),
            ..Csv::new(path)
        }
    }

    fn reading(&self, column: &SavedColumn, is_target: bool) -> Reading {
        let SavedColumn { name, kind, categories, instead, .. } = column;
        let known = CsvColumn {
            name: name.clone(),
            kind: *kind,
            inferred: false,
            is_target,
            categories: Vec::new(),
        };
        let mut reading = Reading::new(known, self.categories == CsvCategories::OneHot);
        reading.set_category_fields(categories.iter().map(Text::bytes).collect());
        reading.instead = *instead;
        reading
    }
}

impl CsvFile {
    /// What is known of its columns, for further files with the same ones.
    #[must_use]
    pub fn schema(&self) -> CsvSchema {
        let opened = &self.0;
        CsvSchema::new(&opened.csv, opened.header.as_deref(), &opened.columns)
    }
}
