//! CSV files of classes and texts as sources of samples.

use std::path::Path;
use std::sync::Arc;

use super::class_rows::ClassRows;
use super::classified::BUFFER;
use super::vectorizer::{SparseRow, TextVectorizer};
use crate::data::fields::{Field, Fields};
use crate::data::file::{FileReader, PositionedFile};
use crate::data::row_index::RowIndex;
use crate::data::samples::{Samples, Values};
use crate::data::source::{RandomAccess, Source, Visit};
use crate::error::{Error, Result};

/// Bytes read at once where rows are read here and there.
const SMALL_BUFFER: usize = 4 << 10;

/// A CSV file as [`ClassifiedText`](super::ClassifiedText) describes it, any row of which can be
/// read. Cloning it shares what is known of it.
///
/// ```no_run
/// use minibatch::data::text::{ClassifiedText, TextFile, TextSettings};
/// use minibatch::{Activation, Adam, Cpu, Fit, Input, Loss, Sequential};
///
/// # fn main() -> minibatch::Result<()> {
/// let file = TextFile::open("train.csv")?;
/// let vectorizer = TextSettings::new().fit(ClassifiedText::open("train.csv")?)?;
/// let mut model = Sequential::new(Input::sparse(vectorizer.features(), vectorizer.row_values()))
///     .dense(file.classes(), Activation::Softmax)
///     .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [])
///     .build(&Cpu::new())?;
/// model.fit(&file.source(vectorizer)?, Fit::new().batch_size(128))?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct TextFile(Arc<Opened>);

#[derive(Debug)]
struct Opened {
    file: Arc<PositionedFile>,
    index: RowIndex,
    classes: usize,
}

impl TextFile {
    /// Reads the file once, in order: checks its rows, counts them and their classes, and remembers
    /// where rows begin, of up to 131,072 of them in 2 MiB. In a longer file it remembers every
    /// second, fourth and so on.
    ///
    /// # Errors
    /// As [`ClassifiedText::read`](super::ClassifiedText::read); [`Error::Io`] also if it is no
    /// ordinary file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let file = PositionedFile::open(path.as_ref())?;
        let mut rows = ClassRows::new(file.path(), file.reader(0, u64::MAX), BUFFER);
        let (mut index, mut classes, mut text) = (RowIndex::new(), 0, String::new());
        while let Some(class) = rows.read(&mut text)? {
            index.push(rows.position());
            classes = classes.max(class as usize + 1);
        }
        Ok(TextFile(Arc::new(Opened { file, index, classes })))
    }

    /// Number of rows; at least 1.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "there is at least one row")]
    pub fn len(&self) -> usize {
        self.0.index.rows()
    }

    /// The largest class, from 1: their number.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.0.classes
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.file.path()
    }

    /// As a source of random access: the sparse input `input`, the text as `vectorizer` sees it,
    /// `[features]`, and the target `output`, the class from 0, `[1]`.
    ///
    /// A text is read from the file and vectorized when a batch needs it, by the thread that reads
    /// the batch, so that memory depends neither on the number of texts nor on that of features. In
    /// a file of more than 131,072 rows, `rows / 131,072` of them on average at most are read and
    /// skipped before the one that is wanted, unless it follows the one before.
    ///
    /// # Errors
    /// [`Error::Argument`] if the vectorizer has no feature, which does not happen.
    pub fn source(&self, vectorizer: impl Into<Arc<TextVectorizer>>) -> Result<Source> {
        let vectorizer = vectorizer.into();
        let input = Field::sparse("input", vectorizer.features());
        let fields = Fields::new([input], [Field::class("output", Some(self.0.classes))])?;
        Ok(Source::new(VectorizedTexts { file: self.clone(), vectorizer, fields }))
    }

    /// Goes to the row of number `row`, from 0.
    fn seek(&self, rows: &mut ClassRows<FileReader>, row: usize) -> Result<()> {
        let Some((position, skip)) = self.0.index.find(row) else {
            return Err(self.changed(row));
        };
        rows.seek((row - skip) as u64, position)?;
        for _ in 0..skip {
            if !rows.skip()? {
                return Err(self.changed(row));
            }
        }
        Ok(())
    }

    fn place(&self, row: usize) -> String {
        format!("{}, row {}", self.path().display(), row.saturating_add(1))
    }

    fn changed(&self, row: usize) -> Error {
        let rows = self.len();
        Error::data(self.place(row), format!("is not there; the file had {rows} rows when opened"))
    }
}

/// The texts of a file as sparse rows.
#[derive(Debug)]
struct VectorizedTexts {
    file: TextFile,
    vectorizer: Arc<TextVectorizer>,
    fields: Arc<Fields>,
}

impl RandomAccess for VectorizedTexts {
    fn fields(&self) -> &Arc<Fields> {
        &self.fields
    }

    fn len(&self) -> usize {
        self.file.len()
    }

    fn read(&self, index: usize, visit: &Visit, into: &mut Samples) -> Result<()> {
        self.read_all(&[index], visit, into)
    }

    fn read_all(&self, indices: &[usize], _: &Visit, into: &mut Samples) -> Result<()> {
        let follow =
            indices.windows(2).filter(|pair| matches!(pair, [a, b] if a + 1 == *b)).count();
        let buffer = if 2 * follow > indices.len() { BUFFER } else { SMALL_BUFFER };
        let file = &self.file.0.file;
        let mut rows = ClassRows::new(file.path(), file.reader(0, u64::MAX), buffer);
        let (mut text, mut row) = (String::new(), SparseRow::default());
        let mut next = None;
        for &index in indices {
            if next != Some(index) {
                self.file.seek(&mut rows, index)?;
            }
            let class = rows.read(&mut text)?.ok_or_else(|| self.file.changed(index))?;
            next = Some(index + 1);
            self.vectorizer.transform(&text, &mut row);
            if let [Values::Sparse(inputs), Values::U32(targets)] = into.columns_mut() {
                inputs.push(row.indices(), row.values())?;
                targets.push(class);
            }
            into.complete(1)?;
        }
        Ok(())
    }

    fn place(&self, index: usize) -> String {
        self.file.place(index)
    }
}
