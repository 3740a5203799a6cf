//! Rows of CSV, split into fields.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

/// Splits one row after the other, in memory that is used again.
#[derive(Debug)]
pub(in crate::data) struct Splitter {
    parser: Reader,
    /// The fields of the row at hand, one after the other, and room for more.
    text: Vec<u8>,
    /// Where each of them ends, and room for more.
    ends: Vec<usize>,
    /// How much of both is of the row.
    written: usize,
    fields: usize,
}

/// What has become of a piece of the file.
pub(in crate::data) enum Split {
    /// All of it is of the row at hand, which goes on.
    More,
    /// The row ends in it.
    Row,
    /// There is no further row.
    End,
}

impl Splitter {
    pub(in crate::data) fn new(delimiter: u8) -> Self {
        Splitter {
            parser: ReaderBuilder::new().delimiter(delimiter).build(),
            text: vec![0; 256],
            ends: vec![0; 32],
            written: 0,
            fields: 0,
        }
    }

    /// Forgets what came before: the next piece begins a row, in this line.
    pub(in crate::data) fn restart(&mut self, line: u64) {
        self.parser.reset();
        self.parser.set_line(line);
        self.begin();
    }

    /// Begins the row after the one at hand.
    pub(in crate::data) fn begin(&mut self) {
        (self.written, self.fields) = (0, 0);
    }

    /// The line at which it has arrived, from 1.
    pub(in crate::data) fn line(&self) -> u64 {
        self.parser.line()
    }

    /// Takes the next piece, and tells how many of its bytes are used up. An empty piece is the end
    /// of the file, which ends the row.
    pub(in crate::data) fn split(&mut self, piece: &[u8]) -> (usize, Split) {
        let mut taken = 0;
        loop {
            let (result, read, written, ended) = self.parser.read_record(
                piece.get(taken..).unwrap_or_default(),
                self.text.get_mut(self.written..).unwrap_or_default(),
                self.ends.get_mut(self.fields..).unwrap_or_default(),
            );
            taken += read;
            self.written += written;
            self.fields += ended;
            let split = match result {
                ReadRecordResult::InputEmpty => Split::More,
                ReadRecordResult::Record => Split::Row,
                ReadRecordResult::End => Split::End,
                ReadRecordResult::OutputFull => {
                    self.text.resize(2 * self.text.len(), 0);
                    continue;
                }
                ReadRecordResult::OutputEndsFull => {
                    self.ends.resize(2 * self.ends.len(), 0);
                    continue;
                }
            };
            return (taken, split);
        }
    }

    /// Number of fields of the row at hand.
    pub(in crate::data) fn len(&self) -> usize {
        self.fields
    }

    /// The fields of the row at hand.
    pub(in crate::data) fn fields(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().take(self.fields).map(move |&end| {
            let field = self.text.get(start..end).unwrap_or_default();
            start = end;
            field
        })
    }
}
