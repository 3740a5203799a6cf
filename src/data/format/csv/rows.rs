//! The rows of a CSV file, each with the line where it begins.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use crate::data::delimited::{Split, Splitter};
use crate::data::file::{FileReader, PositionedFile};
use crate::data::row_index::Position;
use crate::error::{Error, Result};

/// Bytes read at once by a pass in order.
pub(super) const BUFFER: usize = 64 << 10;
/// Bytes read at once for a single row.
pub(super) const SMALL_BUFFER: usize = 4 << 10;
/// Longer rows are refused: they come from a quote that is never closed.
const MAX_ROW: u64 = 16 << 20;

/// Reads rows in order.
pub(super) struct Rows {
    file: Arc<PositionedFile>,
    input: BufReader<FileReader>,
    row: Splitter,
    /// Where what has not been read begins.
    next: Position,
    /// Where the row that was read last begins.
    at: Position,
    line: Vec<u8>,
}

impl Rows {
    /// From the row that begins at `start`, with so many bytes read at once.
    pub(super) fn new(
        file: &Arc<PositionedFile>,
        delimiter: u8,
        start: Position,
        buffer: usize,
    ) -> Self {
        Rows {
            file: Arc::clone(file),
            input: BufReader::with_capacity(buffer, file.reader(start.byte, u64::MAX)),
            row: Splitter::new(delimiter),
            next: start,
            at: start,
            line: Vec::new(),
        }
    }

    /// Where the row that was read last begins.
    pub(super) fn position(&self) -> Position {
        self.at
    }

    /// Number of fields of the row that was read last.
    pub(super) fn len(&self) -> usize {
        self.row.len()
    }

    /// The fields of the row that was read last, without the white space around them.
    pub(super) fn fields(&self) -> impl Iterator<Item = &[u8]> {
        self.row.fields().map(<[u8]>::trim_ascii)
    }

    /// Reads the next row; false at the end of the file.
    pub(super) fn read(&mut self) -> Result<bool> {
        if !self.read_line()? {
            return Ok(false);
        }
        self.at = self.line_start();
        self.parse()
    }

    /// Goes on to the row after the next one; false at the end of the file.
    pub(super) fn skip(&mut self) -> Result<bool> {
        if !self.read_line()? {
            return Ok(false);
        }
        self.at = self.line_start();
        // Without quotes, a line is a row.
        if self.line.contains(&b'"') { self.parse() } else { Ok(true) }
    }

    /// Where the line that was read last begins.
    fn line_start(&self) -> Position {
        Position { byte: self.next.byte - self.line.len() as u64, line: self.next.line - 1 }
    }

    /// Reads the next line that is not empty.
    fn read_line(&mut self) -> Result<bool> {
        loop {
            self.line.clear();
            if !self.append_line()? {
                return Ok(false);
            }
            if self.line.iter().any(|byte| !byte.is_ascii_whitespace()) {
                return Ok(true);
            }
        }
    }

    fn append_line(&mut self) -> Result<bool> {
        let before = self.line.len();
        let path = self.file.path();
        let mut input = self.input.by_ref().take(MAX_ROW + 1 - before as u64);
        input.read_until(b'\n', &mut self.line).map_err(Error::io("read", path))?;
        if self.line.len() as u64 > MAX_ROW {
            let place = format!("{}, line {}", path.display(), self.next.line);
            let problem = "a row is longer than 16 MiB; is a quote not closed?";
            return Err(Error::data(place, problem));
        }
        self.next.byte += (self.line.len() - before) as u64;
        self.next.line += 1;
        // What some programs write before the first column's name.
        if self.next.line == 2 && self.line.starts_with(b"\xef\xbb\xbf") {
            self.line.drain(..3);
        }
        Ok(self.line.len() > before)
    }

    /// Splits the line into fields, and reads on if a quoted field goes on in the next line.
    fn parse(&mut self) -> Result<bool> {
        self.row.restart(self.at.line);
        let mut read = 0;
        loop {
            let (taken, split) = self.row.split(self.line.get(read..).unwrap_or_default());
            read += taken;
            match split {
                // No input at all tells that the file ends, which ends the row.
                Split::More => {
                    self.append_line()?;
                }
                Split::Row => {
                    let rest = self.line.get(read..).unwrap_or_default().trim_ascii();
                    if rest.is_empty() {
                        return Ok(true);
                    }
                    let place = format!("{}, line {}", self.file.path().display(), self.at.line);
                    let problem = "a carriage return stands within the line; end lines with a line \
                                   feed";
                    return Err(Error::data(place, problem));
                }
                Split::End => return Ok(false),
            }
        }
    }
}

/// A line, for messages.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub path: &'a Path,
    pub line: u64,
}

impl At<'_> {
    pub(super) fn error(self, column: &str, problem: String) -> Error {
        let place = format!("{}, line {}, column {column:?}", self.path.display(), self.line);
        Error::data(place, problem)
    }

    pub(super) fn check_width(self, rows: &Rows, width: usize) -> Result<()> {
        if rows.len() == width {
            return Ok(());
        }
        let place = format!("{}, line {}", self.path.display(), self.line);
        Err(Error::data(place, format!("has {} fields, expected {width}", rows.len())))
    }
}
