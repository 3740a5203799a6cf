//! Parquet files of flat columns, read in order.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufReader, ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::Type;
use parquet::column::reader::ColumnReader;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, FileReader as _, Length, SerializedFileReader};

use crate::data::fields::{Element, Field, Fields};
use crate::data::file::{FileReader, PositionedFile};
use crate::data::samples::{Samples, Values};
use crate::data::source::{Source, StreamPass, Streaming, Visit};
use crate::error::{Error, Result};
use crate::panic::caught;

/// Rows that are decoded at once.
const ROWS: usize = 1024;
/// A column of texts as a target has no more classes than this.
const MOST_CLASSES: usize = 100_000;

/// A file as the crate wants it: each of its readers has a position of its own.
struct Chunks(Arc<PositionedFile>);

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.0.len()
    }
}

impl ChunkReader for Chunks {
    type T = BufReader<FileReader>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(BufReader::new(self.0.reader(start, u64::MAX)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let end = start.saturating_add(length as u64);
        let mut bytes = Vec::new();
        self.0.reader(start, end).read_to_end(&mut bytes)?;
        if bytes.len() < length {
            let problem = format!("{length} bytes at {start} are not there");
            return Err(ParquetError::EOF(problem));
        }
        Ok(bytes.into())
    }
}

type Reader = SerializedFileReader<Chunks>;

/// What a column's values become.
#[derive(Debug, Clone, PartialEq)]
enum Role {
    /// A value of the input.
    Input,
    /// Class indices, as they stand.
    Class,
    /// Texts, each a class.
    Text(BTreeMap<Vec<u8>, u32>),
    /// A float as a target.
    Number,
}

/// A column that is read.
#[derive(Debug, Clone)]
struct Column {
    /// Its place in the file.
    place: usize,
    name: String,
    role: Role,
}

/// A Parquet file whose columns are numbers, bool or, as a target, texts.
///
/// The input columns together are the input `input`, an f32 each. A single target is called
/// `output`, several have the names of their columns: integers and bool are class indices, texts
/// are classes in their order, floats are values. Rows come in the file's order; memory depends on
/// the size of its pages. A value that is null is an error, and so is one that is not finite.
///
/// ```no_run
/// use std::path::Path;
///
/// use minibatch::data::ParquetFile;
///
/// # fn main() -> minibatch::Result<()> {
/// let file = ParquetFile::open(Path::new("flats.parquet"), &[], &["rent"])?;
/// println!("{}", file.input_names().join(", "));
/// let source = file.source();
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ParquetFile(Arc<Opened>);

#[derive(Debug)]
struct Opened {
    file: Arc<PositionedFile>,
    /// Inputs first, then targets.
    columns: Vec<Column>,
    inputs: usize,
    rows: usize,
    fields: Arc<Fields>,
}

impl Opened {
    /// What is wrong if there are fewer rows than there were.
    fn ended(&self, rows: usize) -> Error {
        let problem = format!("ends after {rows} rows, of {}", self.rows);
        Error::data(self.file.path().display().to_string(), problem)
    }
}

impl ParquetFile {
    /// Opens a file with these columns as inputs, or all that are no target if none is named. The
    /// columns of classes are read once, for their number.
    ///
    /// # Errors
    /// [`Error::Data`] if it is no such file or is damaged, or a column is not of numbers, or
    /// nested; [`Error::Argument`] if a column is not there; [`Error::Io`] if it cannot be read.
    pub fn open(path: &Path, inputs: &[&str], targets: &[&str]) -> Result<Self> {
        let file = PositionedFile::open(path)?;
        let reader = guarded(path, || SerializedFileReader::new(Chunks(Arc::clone(&file))))?;
        let metadata = reader.metadata();
        let schema = metadata.file_metadata().schema_descr();
        let names: Vec<String> =
            schema.columns().iter().map(|column| column.path().string()).collect();
        let all: Vec<&str> =
            names.iter().map(String::as_str).filter(|name| !targets.contains(name)).collect();
        let inputs = if inputs.is_empty() { all.as_slice() } else { inputs };
        if let Some(absent) =
            inputs.iter().chain(targets).find(|name| !names.iter().any(|other| other == *name))
        {
            let problem = format!("there is no {absent:?}; there is {}", names.join(", "));
            return Err(Error::argument("column", problem));
        }
        let mut columns = Vec::new();
        for (number, name) in inputs.iter().chain(targets).enumerate() {
            let Some(place) = names.iter().position(|other| other == name) else { continue };
            let refused = |problem: String| {
                Err(Error::data(format!("{}, column {name:?}", path.display()), problem))
            };
            let description = schema.column(place);
            if description.max_rep_level() > 0 || description.path().parts().len() > 1 {
                return refused("is nested, expected one value a row".into());
            }
            let role = match (description.physical_type(), number < inputs.len()) {
                (Type::BOOLEAN | Type::INT32 | Type::INT64, false) => Role::Class,
                (Type::FLOAT | Type::DOUBLE, false) => Role::Number,
                (Type::BYTE_ARRAY, false) => Role::Text(BTreeMap::new()),
                (Type::BOOLEAN | Type::INT32 | Type::INT64, true) => Role::Input,
                (Type::FLOAT | Type::DOUBLE, true) => Role::Input,
                (other, _) => {
                    return refused(format!("is of type {other}, expected bool or numbers"));
                }
            };
            columns.push(Column { place, name: (*name).to_owned(), role });
        }
        let rows = usize::try_from(metadata.file_metadata().num_rows()).unwrap_or(0);
        let groups: i64 = metadata
            .row_groups()
            .iter()
            .map(parquet::file::metadata::RowGroupMetaData::num_rows)
            .sum();
        if rows == 0 || i64::try_from(rows) != Ok(groups) {
            let problem = format!("has {rows} rows, and {groups} in its row groups");
            return Err(Error::data(path.display().to_string(), problem));
        }
        let count = inputs.len();
        let mut target_fields = Vec::new();
        for column in columns.iter_mut().skip(count) {
            let name = if targets.len() == 1 { "output" } else { &column.name };
            target_fields.push(match &mut column.role {
                Role::Number | Role::Input => Field::new(name, Element::F32, &[1]),
                Role::Class | Role::Text(_) => {
                    let field = Field::class(name, None);
                    let (found, texts) = classes(&file, column)?;
                    match texts {
                        Some(names) => field.with_class_names(names),
                        None => Field { classes: Some(found), ..field },
                    }
                }
            });
        }
        let fields = Fields::new([Field::new("input", Element::F32, &[count])], target_fields)?;
        Ok(ParquetFile(Arc::new(Opened { file, columns, inputs: count, rows, fields })))
    }

    /// The columns that the input consists of.
    #[must_use]
    pub fn input_names(&self) -> Vec<String> {
        let inputs = self.0.columns.iter().take(self.0.inputs);
        inputs.map(|column| column.name.clone()).collect()
    }

    /// As a stream of rows in the file's order.
    #[must_use]
    pub fn source(&self) -> Source {
        Source::stream(self.clone())
    }
}

/// The number of classes in a column, and their names if they are texts, which it gets to know.
fn classes(
    file: &Arc<PositionedFile>,
    column: &mut Column,
) -> Result<(usize, Option<Vec<String>>)> {
    let mut rows = Rows::new(file, std::slice::from_ref(column))?;
    let mut largest = 0;
    let mut texts: BTreeSet<Vec<u8>> = BTreeSet::new();
    loop {
        let first = rows.next;
        let found = rows.read(usize::MAX)?;
        match found.into_iter().next() {
            None => break,
            Some(Decoded::Texts(found)) => {
                texts.extend(found);
                if texts.len() > MOST_CLASSES {
                    let problem = format!("has more than {MOST_CLASSES} different texts");
                    return Err(rows.error(&column.name, first, problem));
                }
            }
            Some(Decoded::Numbers(numbers)) => {
                for (row, &number) in numbers.iter().enumerate() {
                    let class = class_of(number)
                        .map_err(|problem| rows.error(&column.name, first + row, problem))?;
                    largest = largest.max(class);
                }
            }
        }
    }
    if let Role::Text(known) = &mut column.role {
        let names = texts.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect();
        *known = texts.into_iter().zip(0..).collect();
        return Ok((known.len(), Some(names)));
    }
    Ok((largest as usize + 1, None))
}

fn class_of(number: f64) -> Result<u32, String> {
    match number {
        0.0..4_294_967_295.0 => Ok(number as u32),
        _ => Err(format!("is {number}, expected a class: an integer of at least 0")),
    }
}

/// Calls the crate, whose errors are those of the file. Nothing promises that it never panics on a
/// damaged one.
fn guarded<T>(path: &Path, call: impl FnOnce() -> Result<T, ParquetError>) -> Result<T> {
    let damaged = "is no Parquet file, or is damaged";
    let error = match caught(call) {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(ParquetError::External(error))) => match error.downcast::<io::Error>() {
            Ok(source) => match source.kind() {
                ErrorKind::UnexpectedEof | ErrorKind::InvalidData | ErrorKind::InvalidInput => {
                    source
                }
                _ => {
                    let path = path.into();
                    return Err(Error::Io { action: "read", path, source: *source });
                }
            },
            Err(error) => error,
        },
        Ok(Err(error)) => Box::new(error),
        Err(_) => return Err(Error::data(path.display().to_string(), damaged)),
    };
    Err(Error::Data {
        place: path.display().to_string(),
        problem: format!("{damaged}: {error}"),
        source: Some(error),
    })
}

/// Values of a column.
enum Decoded {
    Numbers(Vec<f64>),
    Texts(Vec<Vec<u8>>),
}

/// Reads rows in order.
struct Rows {
    file: Arc<PositionedFile>,
    reader: Reader,
    columns: Vec<(usize, String)>,
    /// The row group that comes after the one being read.
    group: usize,
    /// Rows left in the one being read.
    left: usize,
    readers: Vec<ColumnReader>,
    /// The row that comes next.
    next: usize,
}

impl Rows {
    fn new(file: &Arc<PositionedFile>, columns: &[Column]) -> Result<Self> {
        let reader = guarded(file.path(), || SerializedFileReader::new(Chunks(Arc::clone(file))))?;
        Ok(Rows {
            file: Arc::clone(file),
            reader,
            columns: columns.iter().map(|column| (column.place, column.name.clone())).collect(),
            group: 0,
            left: 0,
            readers: Vec::new(),
            next: 0,
        })
    }

    fn error(&self, column: &str, row: usize, problem: String) -> Error {
        let path = self.file.path().display();
        Error::data(format!("{path}, row {row}, column {column:?}"), problem)
    }

    /// Begins the next row group, and returns whether there is one.
    fn open_group(&mut self) -> Result<bool> {
        if self.group == self.reader.num_row_groups() {
            return Ok(false);
        }
        let Rows { reader, group, columns, .. } = &*self;
        let (left, readers) = guarded(self.file.path(), || {
            let row_group = reader.get_row_group(*group)?;
            let rows = usize::try_from(row_group.metadata().num_rows()).unwrap_or(0);
            let readers = columns.iter().map(|(place, _)| row_group.get_column_reader(*place));
            Ok((rows, readers.collect::<Result<Vec<_>, _>>()?))
        })?;
        (self.left, self.readers) = (left, readers);
        self.group += 1;
        Ok(true)
    }

    /// Goes past some of the next rows, at most `most`, and returns how many; 0 at the end. Whole pages
    /// are not decoded.
    fn skip(&mut self, most: usize) -> Result<usize> {
        while self.left == 0 {
            if !self.open_group()? {
                return Ok(0);
            }
        }
        let count = most.min(self.left);
        let path = self.file.path().to_owned();
        for number in 0..self.readers.len() {
            let Some(reader) = self.readers.get_mut(number) else { break };
            let skipped = guarded(&path, || skip(reader, count))?;
            if skipped < count {
                let name = self.columns.get(number).map_or("", |(_, name)| name);
                let problem = "ends there, before its row group does";
                return Err(self.error(name, self.next + skipped, problem.into()));
            }
        }
        self.left -= count;
        self.next += count;
        Ok(count)
    }

    /// Some of the next rows, at most `most`: one entry for each column; none at the end.
    fn read(&mut self, most: usize) -> Result<Vec<Decoded>> {
        while self.left == 0 {
            if !self.open_group()? {
                return Ok(Vec::new());
            }
        }
        let count = most.min(self.left).min(ROWS);
        let mut decoded = Vec::new();
        let path = self.file.path().to_owned();
        for number in 0..self.readers.len() {
            let Some(reader) = self.readers.get_mut(number) else { break };
            let (values, levels) = guarded(&path, || decode(reader, count))?;
            let found = match &values {
                Decoded::Numbers(numbers) => numbers.len(),
                Decoded::Texts(texts) => texts.len(),
            };
            if found < count {
                let name = self.columns.get(number).map_or("", |(_, name)| name);
                let null = levels.iter().position(|&level| level == 0);
                let (row, problem) = match null {
                    Some(row) => (row, "has no value (null)"),
                    None => (found, "ends there, before its row group does"),
                };
                return Err(self.error(name, self.next + row, problem.into()));
            }
            decoded.push(values);
        }
        self.left -= count;
        self.next += count;
        Ok(decoded)
    }
}

/// Goes past the next `count` values of a column, and returns how many there were.
fn skip(reader: &mut ColumnReader, count: usize) -> Result<usize, ParquetError> {
    match reader {
        ColumnReader::BoolColumnReader(reader) => reader.skip_records(count),
        ColumnReader::Int32ColumnReader(reader) => reader.skip_records(count),
        ColumnReader::Int64ColumnReader(reader) => reader.skip_records(count),
        ColumnReader::Int96ColumnReader(reader) => reader.skip_records(count),
        ColumnReader::FloatColumnReader(reader) => reader.skip_records(count),
        ColumnReader::DoubleColumnReader(reader) => reader.skip_records(count),
        ColumnReader::ByteArrayColumnReader(reader) => reader.skip_records(count),
        ColumnReader::FixedLenByteArrayColumnReader(reader) => reader.skip_records(count),
    }
}

/// The next `count` values of a column, and whether each is there, where some may be missing.
fn decode(reader: &mut ColumnReader, count: usize) -> Result<(Decoded, Vec<i16>), ParquetError> {
    let mut levels = Vec::new();
    macro_rules! numbers {
        ($reader:expr, $value:pat => $float:expr) => {{
            let mut values = Vec::new();
            let mut read = 0;
            while read < count {
                let (records, ..) =
                    $reader.read_records(count - read, Some(&mut levels), None, &mut values)?;
                if records == 0 {
                    break;
                }
                read += records;
            }
            values.into_iter().map(|$value| $float).collect()
        }};
    }
    let decoded = match reader {
        ColumnReader::BoolColumnReader(reader) => {
            Decoded::Numbers(numbers!(reader, value => f64::from(u8::from(value))))
        }
        ColumnReader::Int32ColumnReader(reader) => {
            Decoded::Numbers(numbers!(reader, value => f64::from(value)))
        }
        ColumnReader::Int64ColumnReader(reader) => {
            Decoded::Numbers(numbers!(reader, value => value as f64))
        }
        ColumnReader::FloatColumnReader(reader) => {
            Decoded::Numbers(numbers!(reader, value => f64::from(value)))
        }
        ColumnReader::DoubleColumnReader(reader) => {
            Decoded::Numbers(numbers!(reader, value => value))
        }
        ColumnReader::ByteArrayColumnReader(reader) => {
            let texts: Vec<Vec<u8>> = numbers!(reader, value => {
                let value: parquet::data_type::ByteArray = value;
                value.data().to_vec()
            });
            Decoded::Texts(texts)
        }
        ColumnReader::Int96ColumnReader(_) | ColumnReader::FixedLenByteArrayColumnReader(_) => {
            return Err(ParquetError::NYI("times and byte arrays of fixed length".into()));
        }
    };
    Ok((decoded, levels))
}

impl Streaming for ParquetFile {
    fn fields(&self) -> &Arc<Fields> {
        &self.0.fields
    }

    fn len(&self) -> Option<usize> {
        Some(self.0.rows)
    }

    fn start(&self, _: &Visit) -> Result<Box<dyn StreamPass>> {
        let rows = Rows::new(&self.0.file, &self.0.columns)?;
        Ok(Box::new(ParquetPass { file: self.clone(), rows }))
    }
}

struct ParquetPass {
    file: ParquetFile,
    rows: Rows,
}

impl StreamPass for ParquetPass {
    fn next(&mut self, most: usize, into: &mut Samples) -> Result<()> {
        let opened = &self.file.0;
        let end = opened.rows.min(self.rows.next.saturating_add(most));
        while self.rows.next < end {
            let first = self.rows.next;
            let decoded = self.rows.read(end - first)?;
            let count = self.rows.next - first;
            if count == 0 {
                return Err(opened.ended(first));
            }
            let Some((input, targets)) = into.columns_mut().split_first_mut() else { break };
            let (inputs, rest) = decoded.split_at_checked(opened.inputs).unwrap_or((&decoded, &[]));
            let wrong = |column: &Column, row: usize, problem: String| {
                self.rows.error(&column.name, first + row, problem)
            };
            for row in 0..count {
                for (column, values) in opened.columns.iter().zip(inputs) {
                    push(column, values, row, input)
                        .map_err(|problem| wrong(column, row, problem))?;
                }
            }
            let columns = opened.columns.iter().skip(opened.inputs);
            for ((column, values), target) in columns.zip(rest).zip(targets) {
                for row in 0..count {
                    push(column, values, row, target)
                        .map_err(|problem| wrong(column, row, problem))?;
                }
            }
            into.complete(count)?;
        }
        Ok(())
    }

    fn skip(&mut self, most: usize, _: &mut Samples) -> Result<usize> {
        let opened = &self.file.0;
        let first = self.rows.next;
        let end = opened.rows.min(first.saturating_add(most));
        while self.rows.next < end {
            if self.rows.skip(end - self.rows.next)? == 0 {
                return Err(opened.ended(self.rows.next));
            }
        }
        Ok(end - first)
    }
}

/// Appends the value of a row.
fn push(column: &Column, values: &Decoded, row: usize, into: &mut Values) -> Result<(), String> {
    match (values, into) {
        (Decoded::Numbers(numbers), Values::F32(into)) => {
            let number = numbers.get(row).copied().unwrap_or(f64::NAN);
            into.push(super::scalar::finite(number as f32)?);
            Ok(())
        }
        (Decoded::Numbers(numbers), Values::U32(into)) => {
            into.push(class_of(numbers.get(row).copied().unwrap_or(f64::NAN))?);
            Ok(())
        }
        (Decoded::Texts(texts), Values::U32(into)) => {
            let (Role::Text(known), Some(text)) = (&column.role, texts.get(row)) else {
                return Err("is a text, expected a number".into());
            };
            let class = known.get(text).copied();
            into.push(class.ok_or("is a text that was not there when the file was opened")?);
            Ok(())
        }
        _ => Err("is of another type than when the file was opened".into()),
    }
}
