//! CSV files: a row is a sample.

mod columns;
mod rows;
mod schema;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use columns::{CsvCategories, CsvColumn, CsvMissing, CsvType};
use columns::{Reading, integer, number};
use rows::Rows;
pub use schema::CsvSchema;

use crate::data::fields::{Element, Field, Fields};
use crate::data::file::PositionedFile;
use crate::data::row_index::{RowIndex, START};
use crate::data::samples::{Samples, Values};
use crate::data::source::{RandomAccess, Source, StreamPass, Streaming, Visit};
use crate::error::{Error, Result};

/// Bytes read at once by a pass in order.
const BUFFER: usize = 64 << 10;
/// Bytes read at once for a single row.
const SMALL_BUFFER: usize = 4 << 10;
/// The rows from which types are inferred take no more than this.
const MOST_SAMPLE_BYTES: usize = 16 << 20;
/// Whole numbers as a target are classes if so few differ.
const FEW: usize = 100;

/// How to read a CSV file.
///
/// ```
/// use minibatch::data::{Csv, CsvType};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("flats.csv");
/// std::fs::write(&path, "rooms,district,note,rent\n3,north,quiet,900\n2,south,-,850\n")?;
/// let flats = Csv::new(&path).column("note", CsvType::Ignored).target("rent").open()?;
/// assert_eq!(flats.input_names(), ["rooms", "district=north", "district=south"]);
/// for column in flats.columns() {
///     println!("{}: {:?}", column.name, column.kind);
/// }
/// let source = flats.source(); // for fit
/// assert_eq!(source.len(), Some(2));
/// # Ok(())
/// # }
/// ```
///
/// By default: fields are separated by commas; the first row is a header if none of its fields is a
/// number; the types of columns are inferred from the first 1,000 rows; categories are one-hot; missing values are refused.
/// White space around a field is not part of it, empty lines are no rows.
#[derive(Debug, Clone)]
pub struct Csv {
    path: PathBuf,
    delimiter: u8,
    header: Option<bool>,
    names: Option<Vec<String>>,
    told: Vec<(String, CsvType)>,
    targets: Vec<String>,
    missing: CsvMissing,
    markers: Vec<String>,
    categories: CsvCategories,
    most_categories: usize,
    infer_from: usize,
    input_shape: Option<Vec<usize>>,
}

impl Csv {
    /// The file at `path`, read as by default.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let markers = ["", "?", "NA", "N/A", "NaN", "nan", "NULL", "null"];
        Csv {
            path: path.into(),
            delimiter: b',',
            header: None,
            names: None,
            told: Vec::new(),
            targets: Vec::new(),
            missing: CsvMissing::Refuse,
            markers: markers.map(String::from).to_vec(),
            categories: CsvCategories::OneHot,
            most_categories: 10_000,
            infer_from: 1000,
            input_shape: None,
        }
    }

    /// What separates fields.
    #[must_use]
    pub fn delimiter(self, delimiter: u8) -> Self {
        Csv { delimiter, ..self }
    }

    /// Whether the first row has the columns' names.
    #[must_use]
    pub fn header(self, header: bool) -> Self {
        Csv { header: Some(header), ..self }
    }

    /// The columns' names, in place of those in the header, or of numbers.
    #[must_use]
    pub fn names<S: Into<String>>(self, names: impl IntoIterator<Item = S>) -> Self {
        Csv { names: Some(names.into_iter().map(Into::into).collect()), ..self }
    }

    /// What the fields of column `name` are.
    #[must_use]
    pub fn column(mut self, name: impl Into<String>, kind: CsvType) -> Self {
        let name = name.into();
        self.told.retain(|(other, _)| *other != name);
        self.told.push((name, kind));
        self
    }

    /// Column `name` is a target and no input. A single target is called `output`, several have the
    /// names of their columns. If its type is not told: texts are classes, and so are whole numbers
    /// of which at most 100 differ in the first rows; other numbers are values.
    #[must_use]
    pub fn target(mut self, name: impl Into<String>) -> Self {
        self.targets.push(name.into());
        self
    }

    /// What becomes of fields without a value. They are refused in a target.
    #[must_use]
    pub fn missing(self, missing: CsvMissing) -> Self {
        Csv { missing, ..self }
    }

    /// What stands in a field without a value; by default nothing, `?`, `NA`, `N/A`, `NaN`, `nan`,
    /// `NULL` or `null`.
    #[must_use]
    pub fn missing_markers<S: Into<String>>(self, markers: impl IntoIterator<Item = S>) -> Self {
        Csv { markers: markers.into_iter().map(Into::into).collect(), ..self }
    }

    /// What categories become as inputs.
    #[must_use]
    pub fn categories(self, categories: CsvCategories) -> Self {
        Csv { categories, ..self }
    }

    /// How many categories a column may have; 10,000 by default. They are kept in memory.
    #[must_use]
    pub fn most_categories(self, most: usize) -> Self {
        Csv { most_categories: most, ..self }
    }

    /// From how many rows types are inferred that were not told; 1,000 by default.
    #[must_use]
    pub fn infer_from(self, rows: usize) -> Self {
        Csv { infer_from: rows.max(1), ..self }
    }

    /// The shape of the input, `[28, 28]` for an image of 784 columns; by default all its values
    /// in one dimension.
    #[must_use]
    pub fn input_shape(self, shape: &[usize]) -> Self {
        Csv { input_shape: Some(shape.to_vec()), ..self }
    }

    /// Reads the file once, in order: counts its rows, gathers categories and means, and remembers
    /// where rows begin. The memory for that grows with the number of categories, not with that of
    /// rows.
    ///
    /// # Errors
    /// [`Error::Data`] with file, line and column: if a row has more or fewer fields than the
    /// first, a value is missing, a category has too many values, or there is no row;
    /// [`Error::Argument`] if a column that was named is not there; [`Error::Io`] if the file
    /// cannot be read. Numbers that are none are found when their row is read.
    pub fn open(&self) -> Result<CsvFile> {
        let file = PositionedFile::open(&self.path)?;
        let first = FirstRows::read(self, &file)?;
        let header = self.header.unwrap_or_else(|| first.has_header());
        let names = self.column_names(&first, header)?;
        let mut columns = self.readings(&first, header, names)?;
        let width = columns.len();

        let mut gathering: Vec<Gathering> = columns.iter().map(|_| Gathering::default()).collect();
        let count = |columns: &[Reading], gathering: &mut [Gathering]| {
            self.pass_over(&file, header, width, |at, rows| {
                let fields = columns.iter().zip(gathering.iter_mut()).zip(rows.fields());
                for ((reading, gathered), field) in fields {
                    self.gather(reading, gathered, field)
                        .map_err(|problem| at.error(&reading.column.name, problem))?;
                }
                Ok(())
            })
        };
        let index = count(&columns, &mut gathering)?;
        let missing = gathering.iter().map(|gathered| gathered.missing).sum();
        for (reading, gathered) in columns.iter_mut().zip(gathering) {
            reading.instead = match self.missing {
                CsvMissing::Refuse => None,
                CsvMissing::Constant(value) => Some(value),
                // A column of which every value is missing has no mean.
                CsvMissing::Mean => Some((gathered.sum / gathered.count.max(1) as f64) as f32),
            };
            if reading.column.kind == CsvType::Category {
                reading.set_categories(gathered.categories);
            }
        }
        let header = first.rows.into_iter().next().filter(|_| header);
        CsvFile::new(self.clone(), file, columns, index, header, missing)
    }

    /// Opens the file as one of these columns, whose first row is `header`, which `than` has, if
    /// it has one.
    fn open_as(
        self,
        columns: Vec<Reading>,
        header: Option<Vec<Vec<u8>>>,
        than: &str,
    ) -> Result<CsvFile> {
        let file = PositionedFile::open(&self.path)?;
        if let Some(header) = &header {
            let mut rows = Rows::new(&file, self.delimiter, START, SMALL_BUFFER);
            if !(rows.read()? && rows.fields().eq(header.iter().map(Vec::as_slice))) {
                return Err(CsvFile::other_header(&self, than));
            }
        }
        let mut gathered = Gathering::default();
        let index = self.pass_over(&file, header.is_some(), columns.len(), |at, rows| {
            for (reading, field) in columns.iter().zip(rows.fields()) {
                let checked = match reading.column.kind {
                    CsvType::Category if !self.is_missing(field) => {
                        reading.category(field).map(|_| ())
                    }
                    _ => {
                        gathered.categories.clear();
                        self.gather(reading, &mut gathered, field)
                    }
                };
                checked.map_err(|problem| at.error(&reading.column.name, problem))?;
            }
            Ok(())
        })?;
        CsvFile::new(self, file, columns, index, header, gathered.missing)
    }

    fn is_missing(&self, field: &[u8]) -> bool {
        self.markers.iter().any(|marker| marker.as_bytes() == field)
    }

    /// The columns' names, each another.
    fn column_names(&self, first: &FirstRows, header: bool) -> Result<Vec<String>> {
        let width = first.rows.first().map_or(0, Vec::len);
        let names = match (&self.names, header, first.rows.first()) {
            (Some(names), ..) => names.clone(),
            (None, true, Some(row)) => {
                row.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect()
            }
            _ => (0..width).map(|column| column.to_string()).collect(),
        };
        if names.len() != width {
            let problem = format!("are {}; the file has {width} columns", names.len());
            return Err(Error::argument("names", problem));
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = names.iter().find(|name| !seen.insert(*name)) {
            let problem = format!("two columns are called {twice:?}; give all of them names");
            return Err(Error::data(self.path.display().to_string(), problem));
        }
        let named = self.told.iter().map(|(name, _)| name).chain(&self.targets);
        for name in named {
            if !names.contains(name) {
                let problem = format!("there is no {name:?}; there is {}", names.join(", "));
                return Err(Error::argument("column", problem));
            }
        }
        Ok(names)
    }

    /// The types of all columns, told or inferred.
    fn readings(
        &self,
        first: &FirstRows,
        header: bool,
        names: Vec<String>,
    ) -> Result<Vec<Reading>> {
        let columns = names.into_iter().enumerate().map(|(column, name)| {
            let told = self.told.iter().find(|(other, _)| *other == name).map(|(_, kind)| *kind);
            let is_target = self.targets.contains(&name);
            let values = || {
                let rows = first.rows.iter().skip(usize::from(header));
                let fields = rows.filter_map(move |row| row.get(column));
                fields.filter(|field| !self.is_missing(field))
            };
            let kind = told.unwrap_or_else(|| {
                let numbers = values().all(|field| number(field).is_some());
                let integers = || values().all(|field| integer(field).is_some());
                let few = || values().collect::<BTreeSet<_>>().len() <= FEW;
                match (values().next(), is_target) {
                    (None, _) => CsvType::Ignored,
                    (Some(_), true) if numbers && integers() && few() => CsvType::Category,
                    (Some(_), _) if numbers => CsvType::Number,
                    (Some(_), _) => CsvType::Category,
                }
            });
            if is_target && matches!(kind, CsvType::Ignored) {
                let problem = format!("{name:?} is a target without a value in the first rows");
                return Err(Error::argument("column", problem));
            }
            let one_hot = self.categories == CsvCategories::OneHot;
            let column = CsvColumn {
                name,
                kind,
                inferred: told.is_none(),
                is_target,
                categories: Vec::new(),
            };
            Ok(Reading::new(column, one_hot))
        });
        columns.collect()
    }

    /// What the first pass learns from a field.
    fn gather(
        &self,
        reading: &Reading,
        gathered: &mut Gathering,
        field: &[u8],
    ) -> Result<(), String> {
        let kind = reading.column.kind;
        if kind == CsvType::Ignored {
            return Ok(());
        }
        if self.is_missing(field) {
            if reading.column.is_target {
                return Err("has no value, and is a target".into());
            }
            if self.missing == CsvMissing::Refuse {
                return Err("has no value; say with missing what to take instead".into());
            }
            gathered.missing += 1;
            if kind == CsvType::Category {
                gathered.categories.insert(Vec::new());
            }
            return Ok(());
        }
        match kind {
            CsvType::Category => {
                if !gathered.categories.contains(field) {
                    if gathered.categories.len() >= self.most_categories {
                        return Err(format!(
                            "has more than {} categories; ignore it, or set most_categories",
                            self.most_categories
                        ));
                    }
                    gathered.categories.insert(field.to_vec());
                }
            }
            CsvType::Number | CsvType::Byte if self.missing == CsvMissing::Mean => {
                gathered.sum += f64::from(reading.number(field)?);
                gathered.count += 1;
            }
            CsvType::Number | CsvType::Byte | CsvType::Ignored => {}
        }
        Ok(())
    }

    /// Calls `visit` with each row that is no header, and remembers where they are.
    fn pass_over(
        &self,
        file: &Arc<PositionedFile>,
        header: bool,
        width: usize,
        mut visit: impl FnMut(At<'_>, &Rows) -> Result<()>,
    ) -> Result<RowIndex> {
        let mut rows = Rows::new(file, self.delimiter, START, BUFFER);
        let mut index = RowIndex::new();
        if header {
            rows.read()?;
        }
        while rows.read()? {
            let at = At { path: &self.path, line: rows.position().line };
            at.check_width(&rows, width)?;
            visit(at, &rows)?;
            index.push(rows.position());
        }
        match index.rows() {
            0 => Err(Error::data(self.path.display().to_string(), "has no row of data")),
            _ => Ok(index),
        }
    }
}

/// A line, for messages.
#[derive(Clone, Copy)]
struct At<'a> {
    path: &'a Path,
    line: u64,
}

impl At<'_> {
    fn error(self, column: &str, problem: String) -> Error {
        let place = format!("{}, line {}, column {column:?}", self.path.display(), self.line);
        Error::data(place, problem)
    }

    fn check_width(self, rows: &Rows, width: usize) -> Result<()> {
        if rows.len() == width {
            return Ok(());
        }
        let place = format!("{}, line {}", self.path.display(), self.line);
        Err(Error::data(place, format!("has {} fields, expected {width}", rows.len())))
    }
}

/// What the first pass gathers of a column.
#[derive(Default)]
struct Gathering {
    categories: BTreeSet<Vec<u8>>,
    sum: f64,
    count: u64,
    /// Fields without a value.
    missing: u64,
}

/// The rows from which types are inferred, all of the same width.
struct FirstRows {
    rows: Vec<Vec<Vec<u8>>>,
}

impl FirstRows {
    fn read(csv: &Csv, file: &Arc<PositionedFile>) -> Result<Self> {
        let mut input = Rows::new(file, csv.delimiter, START, BUFFER);
        let mut rows: Vec<Vec<Vec<u8>>> = Vec::new();
        let mut bytes = 0;
        while rows.len() <= csv.infer_from && bytes < MOST_SAMPLE_BYTES && input.read()? {
            let at = At { path: &csv.path, line: input.position().line };
            at.check_width(&input, rows.first().map_or(input.len(), Vec::len))?;
            bytes += input.fields().map(|field| field.len() + 24).sum::<usize>();
            rows.push(input.fields().map(<[u8]>::to_vec).collect());
        }
        match rows.is_empty() {
            true => Err(Error::data(csv.path.display().to_string(), "has no row")),
            false => Ok(FirstRows { rows }),
        }
    }

    fn has_header(&self) -> bool {
        self.rows.first().is_some_and(|first| {
            // Where a table was written with the numbers of its rows, these have no name.
            first.iter().all(|field| number(field).is_none())
                && first.iter().any(|field| !field.is_empty())
        })
    }
}

/// A CSV file that was opened. Cloning it shares what is known of it.
#[derive(Debug, Clone)]
pub struct CsvFile(Arc<Opened>);

#[derive(Debug)]
struct Opened {
    csv: Csv,
    file: Arc<PositionedFile>,
    columns: Vec<Reading>,
    index: RowIndex,
    /// The first row, if it has the columns' names.
    header: Option<Vec<Vec<u8>>>,
    missing: u64,
    fields: Arc<Fields>,
}

impl CsvFile {
    fn new(
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

    /// Opens another file with the same columns, types, categories and means: the test set that
    /// belongs to a training set.
    ///
    /// # Errors
    /// As [`Csv::open`]; also [`Error::Data`] if its header is another, or it has a category that
    /// this file lacks.
    pub fn like(&self, path: impl Into<PathBuf>) -> Result<CsvFile> {
        let opened = &self.0;
        let csv = Csv { path: path.into(), ..opened.csv.clone() };
        let own = opened.csv.path.display().to_string();
        csv.open_as(opened.columns.clone(), opened.header.clone(), &own)
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

    /// Appends the next row.
    fn append(&self, rows: &mut Rows, into: &mut Samples) -> Result<()> {
        if !rows.read()? {
            let place = format!("{}, line {}", self.csv.path.display(), rows.position().line);
            let problem = format!(
                "the file ends there; it had {} rows when it was opened",
                self.index.rows()
            );
            return Err(Error::data(place, problem));
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
}
