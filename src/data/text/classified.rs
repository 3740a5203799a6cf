//! CSV files whose rows are a class and texts.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use csv::{ByteRecord, ErrorKind, Reader, ReaderBuilder};

use crate::error::{Error, Result, TextProblem};

/// A longer row is none: a quote was opened and not closed, and the rest of the file is its text.
const MOST_ROW_BYTES: usize = 16 << 20;

/// A class beyond is a number that is none of a class.
const MOST_CLASSES: u32 = 1 << 16;

/// What is read after a file's last byte. It is a row of its own, unless the file ends within quotes:
/// then it is a part of the last row, which is known to be cut off by that.
const END: &[u8] = b"\0end of file\0";

/// [`END`] on a line of its own.
const LAST_LINE: &[u8] = b"\n\0end of file\0\n";

/// Reads a CSV file without a header, whose first column is the class, a whole number from 1, and
/// whose others are text: the form of AG News, DBPedia, Amazon and Yelp. Rows are read one by one, and
/// only the one at hand is in memory.
///
/// As an iterator it gives each row's text and its class, *from 0*: `(String, u32)`. All columns after
/// the first make one text, with a space between them; what is not UTF-8 in them becomes U+FFFD. A
/// text can be empty. Rows may differ in their number of columns, and empty lines are skipped.
/// After an error it ends.
///
/// ```no_run
/// use minibatch::data::text::{ClassifiedText, TextSettings};
///
/// # fn main() -> minibatch::Result<()> {
/// let vectorizer = TextSettings::new().fit(ClassifiedText::open("train.csv")?)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ClassifiedText {
    path: PathBuf,
    reader: Reader<Row<File>>,
    /// The row at hand, in memory that is used again.
    record: ByteRecord,
    rows: u64,
    classes: usize,
    ended: bool,
}

impl ClassifiedText {
    /// Opens a file; nothing is read yet.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be opened.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let file = File::open(&path).map_err(Error::io("read", &path))?;
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(1 << 16)
            .from_reader(Row { file, left: 0, end: LAST_LINE });
        let record = ByteRecord::new();
        Ok(ClassifiedText { path, reader, record, rows: 0, classes: 0, ended: false })
    }

    /// Reads the next row: its text into `text`, in place of what was there, and its class, from 0.
    /// `None` at the end of the file.
    ///
    /// # Errors
    /// [`Error::Text`] with the row for a first column that is no class, a row without another
    /// column, one of more than 16 MiB, a file that ends within quotes, and a file without rows.
    /// [`Error::Io`] if the file cannot be read.
    pub fn read(&mut self, text: &mut String) -> Result<Option<u32>> {
        if self.ended {
            return Ok(None);
        }
        let read = self.next_row(text);
        self.ended = !matches!(read, Ok(Some(_)));
        read
    }

    fn next_row(&mut self, text: &mut String) -> Result<Option<u32>> {
        let line = Some(self.reader.position().line());
        self.reader.get_mut().left = MOST_ROW_BYTES;
        let more = self.reader.read_byte_record(&mut self.record);
        if let Err(error) = more {
            if self.reader.get_ref().left == 0 {
                return Err(self.problem(line, TextProblem::Long { limit: MOST_ROW_BYTES }));
            }
            let source = match error.into_kind() {
                ErrorKind::Io(source) => source,
                other => io::Error::other(format!("{other:?}")),
            };
            return Err(Error::io("read", &self.path)(source));
        }
        let line = self.record.position().map(csv::Position::line);
        let mut columns = self.record.iter();
        let class = columns.next().unwrap_or_default();
        if class == END && self.record.len() == 1 {
            return match self.rows {
                0 => Err(self.problem(None, TextProblem::Empty)),
                _ => Ok(None),
            };
        }
        if self.record.iter().next_back().is_some_and(|last| last.trim_ascii_end().ends_with(END)) {
            return Err(self.problem(line, TextProblem::OpenQuote));
        }
        let Some(class_index) = class_index(class) else {
            let found = String::from_utf8_lossy(class).chars().take(40).collect();
            return Err(self.problem(line, TextProblem::Class { found, most: MOST_CLASSES }));
        };
        if self.record.len() < 2 {
            return Err(self.problem(line, TextProblem::NoText));
        }
        text.clear();
        for (number, column) in columns.enumerate() {
            if number > 0 {
                text.push(' ');
            }
            text.push_str(&String::from_utf8_lossy(column));
        }
        self.rows += 1;
        self.classes = self.classes.max(class_index as usize + 1);
        Ok(Some(class_index))
    }

    fn problem(&self, line: Option<u64>, problem: TextProblem) -> Error {
        Error::Text { path: self.path.clone(), row: self.rows + 1, line, problem }
    }

    /// Rows read so far.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The largest class, from 1, of the rows read so far: their number of classes.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Iterator for ClassifiedText {
    type Item = Result<(String, u32)>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut text = String::new();
        self.read(&mut text).map(|class| class.map(|class| (text, class))).transpose()
    }
}

impl std::iter::FusedIterator for ClassifiedText {}

/// The class, from 0, that a column says, from 1.
fn class_index(column: &[u8]) -> Option<u32> {
    let column = column.trim_ascii();
    // What else a Rust number can have: a sign.
    let digits = column.iter().all(u8::is_ascii_digit);
    let number: u32 = std::str::from_utf8(column).ok().filter(|_| digits)?.parse().ok()?;
    (1..=MOST_CLASSES).contains(&number).then(|| number - 1)
}

/// A file that gives so many bytes for a row and no more, and [`LAST_LINE`] after its last one.
#[derive(Debug)]
struct Row<F> {
    file: F,
    /// How many bytes it gives before it fails.
    left: usize,
    /// What is left of [`LAST_LINE`].
    end: &'static [u8],
}

impl<F: Read> Read for Row<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(self.left);
        let Some(buffer) = buffer.get_mut(..most).filter(|buffer| !buffer.is_empty()) else {
            return Err(io::Error::other("the row is too long"));
        };
        let read = loop {
            match self.file.read(buffer) {
                Ok(0) => break self.end.read(buffer)?,
                Ok(read) => break read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        };
        self.left -= read;
        Ok(read)
    }
}
