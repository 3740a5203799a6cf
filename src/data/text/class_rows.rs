//! The rows of a CSV file of classes and texts, one by one.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::data::delimited::{Split, Splitter};
use crate::data::row_index::{Position, START};
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

/// Reads rows, each a class and then texts; only the one at hand is in memory.
#[derive(Debug)]
pub(super) struct ClassRows<F> {
    path: PathBuf,
    input: BufReader<LimitedRow<F>>,
    /// Bytes of the file that are used up.
    byte: u64,
    /// The row at hand.
    row: Splitter,
    /// Rows before the next one.
    rows: u64,
    /// Where the row at hand begins.
    at: Position,
}

impl<F: Read> ClassRows<F> {
    /// The rows of `file`, of which `buffer` bytes are read at once. `path` is for messages.
    pub(super) fn new(path: &Path, file: F, buffer: usize) -> Self {
        let file = LimitedRow { file, left: 0, end: LAST_LINE };
        let input = BufReader::with_capacity(buffer, file);
        let row = Splitter::new(b',');
        ClassRows { path: path.into(), input, byte: 0, row, rows: 0, at: START }
    }

    /// Reads the next row: its text into `text`, in place of what was there, and its class, from 0.
    /// `None` at the end of the file.
    pub(super) fn read(&mut self, text: &mut String) -> Result<Option<u32>> {
        if !self.advance()? {
            return Ok(None);
        }
        let line = Some(self.at.line);
        let mut columns = self.row.fields();
        let class = columns.next().unwrap_or_default();
        let Some(class_index) = class_index(class) else {
            let found = String::from_utf8_lossy(class).chars().take(40).collect();
            return Err(self.problem(line, TextProblem::Class { found, most: MOST_CLASSES }));
        };
        if self.row.len() < 2 {
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
        Ok(Some(class_index))
    }

    /// Goes on to the row after the next one, whatever is in that; false at the end of the file.
    pub(super) fn skip(&mut self) -> Result<bool> {
        let there = self.advance()?;
        self.rows += u64::from(there);
        Ok(there)
    }

    /// Splits the next row into columns; false at the end of the file.
    fn advance(&mut self) -> Result<bool> {
        self.at = Position { byte: self.byte, line: self.row.line() };
        self.input.get_mut().left = MOST_ROW_BYTES;
        self.row.begin();
        loop {
            let piece = match self.input.fill_buf() {
                Ok(piece) => piece,
                Err(error) => {
                    if self.input.get_ref().left > 0 {
                        return Err(Error::io("read", &self.path)(error));
                    }
                    let problem = TextProblem::Long { limit: MOST_ROW_BYTES };
                    return Err(self.problem(Some(self.at.line), problem));
                }
            };
            let (taken, split) = self.row.split(piece);
            self.input.consume(taken);
            self.byte += taken as u64;
            match split {
                Split::More => {}
                Split::Row => break,
                Split::End => return Ok(false),
            }
        }
        let only = self.row.fields().next().filter(|_| self.row.len() == 1);
        if only == Some(END) {
            return match self.rows {
                0 => Err(self.problem(None, TextProblem::Empty)),
                _ => Ok(false),
            };
        }
        if self.row.fields().last().is_some_and(|last| last.trim_ascii_end().ends_with(END)) {
            return Err(self.problem(Some(self.at.line), TextProblem::OpenQuote));
        }
        Ok(true)
    }

    fn problem(&self, line: Option<u64>, problem: TextProblem) -> Error {
        Error::Text { path: self.path.clone(), row: self.rows + 1, line, problem }
    }

    /// Rows before the next one: those read so far, if all were.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Where the row that was read last begins, or the first empty line before it.
    pub(super) fn position(&self) -> Position {
        self.at
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl<F: Read + Seek> ClassRows<F> {
    /// Goes to the row that begins at `position`, before which there are `rows`.
    pub(super) fn seek(&mut self, rows: u64, position: Position) -> Result<()> {
        // What has been read ahead is kept where it is what comes next.
        if position.byte != self.byte {
            let to = SeekFrom::Start(position.byte);
            self.input.seek(to).map_err(Error::io("read", &self.path))?;
            self.row.restart(position.line);
            self.byte = position.byte;
        }
        self.rows = rows;
        Ok(())
    }
}

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
struct LimitedRow<F> {
    file: F,
    /// How many bytes it gives before it fails.
    left: usize,
    /// What is left of [`LAST_LINE`].
    end: &'static [u8],
}

impl<F: Read> Read for LimitedRow<F> {
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

impl<F: Seek> Seek for LimitedRow<F> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.end = LAST_LINE;
        self.file.seek(to)
    }
}
