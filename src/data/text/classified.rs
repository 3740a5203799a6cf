//! CSV files whose rows are a class and texts, read in order.

use std::fs::File;
use std::path::Path;

use super::class_rows::ClassRows;
use crate::error::{Error, Result};

/// Bytes read at once.
pub(super) const BUFFER: usize = 1 << 16;

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
    rows: ClassRows<File>,
    classes: usize,
    ended: bool,
}

impl ClassifiedText {
    /// Opens a file; nothing is read yet.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be opened.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let file = File::open(path).map_err(Error::io("read", path))?;
        Ok(ClassifiedText { rows: ClassRows::new(path, file, BUFFER), classes: 0, ended: false })
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
        let read = self.rows.read(text);
        match read {
            Ok(Some(class)) => self.classes = self.classes.max(class as usize + 1),
            Ok(None) | Err(_) => self.ended = true,
        }
        read
    }

    /// Rows read so far.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows.rows()
    }

    /// The largest class, from 1, of the rows read so far: their number of classes.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.rows.path()
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
