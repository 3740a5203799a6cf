//! What a step reads from outside: a column for each buffer that the host fills.

use super::pass::Pass;
use crate::error::{Error, Result};
use crate::sparse_row;
use crate::table::{Buffer, BufferId, Element, Role};

/// The argument that errors name of a sparse row that does not fit.
pub(crate) const SPARSE_ROW: &str = "sparse row";

/// What is wrong with a sparse row of `values` values where there is room for `most`.
pub(crate) fn too_many_values(values: usize, most: usize) -> String {
    format!(
        "has {values} values that are not 0; the model has room for {most} a sample, so give \
         Input::sparse more"
    )
}

/// Memory that an executor lends for the rows of one step. It may go to another thread, and its
/// columns to several, while the executor runs other steps; dropped, it goes back.
pub trait Feed {
    /// A column of it.
    type Column<'a>: Column
    where
        Self: 'a;

    /// Rows of the step.
    fn rows(&self) -> usize;

    /// The rows of buffer `id`.
    ///
    /// # Errors
    /// [`Error::Argument`] if the host does not fill that buffer.
    fn column(&mut self, id: BufferId) -> Result<Self::Column<'_>> {
        let mut columns = self.columns();
        let found = columns.find(|(other, _)| *other == id);
        found.map(|(_, column)| column).ok_or_else(|| {
            Error::argument("feed", "has no such column; give a buffer that the host fills")
        })
    }

    /// All columns, to be filled independently of each other.
    fn columns(&mut self) -> impl Iterator<Item = (BufferId, Self::Column<'_>)>;
}

/// The rows of one buffer in a [`Feed`], filled from the first to the last.
pub trait Column {
    /// Adds the next row: its values without padding, in the machine's byte order. Where the
    /// program has [reals](Element::Real), they are f32.
    ///
    /// # Errors
    /// [`Error::Shape`] if it has another number of bytes, [`Error::Argument`] if all rows are
    /// there already.
    fn push(&mut self, row: &[u8]) -> Result<()>;

    /// Adds the next row of a [sparse](Element::Sparse) buffer: the values that are not 0, and the
    /// column of each, which ascend.
    ///
    /// # Errors
    /// [`Error::Argument`] if there are more values than the buffer has places for in a row, the
    /// columns do not ascend or one is beyond the last, a value is not finite, or all rows are
    /// there already; [`Error::Shape`] if the buffer is not sparse.
    fn push_sparse(&mut self, columns: &[u32], values: &[f32]) -> Result<()>;

    /// Adds rows of four bytes each, such as class indices or weights.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    fn push_words(&mut self, mut words: impl Iterator<Item = u32>) -> Result<()> {
        words.try_for_each(|word| self.push(&word.to_ne_bytes()))
    }
}

impl Pass {
    /// Whether it reads what the host fills a buffer of this role with.
    pub fn reads(self, role: Role) -> bool {
        match role {
            Role::Input => {
                matches!(self, Pass::Train | Pass::Gradients | Pass::Evaluate | Pass::Predict)
            }
            // Predictions look at no target.
            Role::Target | Role::SampleWeight => {
                matches!(self, Pass::Train | Pass::Gradients | Pass::Evaluate)
            }
            Role::Parameter
            | Role::ParameterGradient
            | Role::State
            | Role::OptimizerState
            | Role::Activation
            | Role::Metric
            | Role::Handover
            | Role::Scratch
            | Role::Arena => false,
        }
    }
}

impl Buffer {
    /// Bytes of one row without padding as it lies on a device; as many as
    /// [`row_bytes`](Self::row_bytes), but for reals that are stored as f16.
    pub fn stored_row_bytes(&self) -> usize {
        self.columns * self.element_bytes()
    }

    /// Bytes of one row that the host gives.
    pub fn row_bytes(&self) -> usize {
        self.columns
            * match self.element {
                Element::Real | Element::U32 | Element::Sparse { .. } => 4,
                Element::U8 => 1,
            }
    }

    /// Whether a row of so many bytes may follow `filled` rows, of `rows` in all.
    pub(crate) fn check_row(&self, bytes: usize, filled: usize, rows: usize) -> Result<()> {
        if bytes != self.row_bytes() {
            return Err(Error::Shape {
                what: format!("a row of {}", self.name),
                actual: format!("{bytes} bytes"),
                expected: format!("{} bytes", self.row_bytes()),
            });
        }
        if filled >= rows {
            let problem = format!("has room for {rows} rows of {}, and gets more", self.name);
            return Err(Error::argument("feed", problem));
        }
        Ok(())
    }

    /// Whether a sparse row may follow `filled` rows, of `rows` in all.
    pub(crate) fn check_sparse_row(
        &self,
        columns: &[u32],
        values: &[f32],
        filled: usize,
        rows: usize,
    ) -> Result<()> {
        let Element::Sparse { width } = self.element else {
            return Err(Error::Shape {
                what: format!("a row of {}", self.name),
                actual: "columns and values of a sparse row".into(),
                expected: format!("{} bytes", self.row_bytes()),
            });
        };
        let refused = |problem| Error::argument(SPARSE_ROW, problem);
        sparse_row::check(columns, values, width).map_err(refused)?;
        let (values, most) = (columns.len(), self.columns / 2);
        if values > most {
            return Err(refused(too_many_values(values, most)));
        }
        self.check_row(self.row_bytes(), filled, rows)
    }

    /// Whether all rows are there.
    pub(crate) fn check_filled(&self, filled: usize, rows: usize) -> Result<()> {
        if filled == rows {
            return Ok(());
        }
        let problem = format!("has {filled} rows of {}; the step needs {rows}", self.name);
        Err(Error::argument("feed", problem))
    }
}
