//! What a step reads from outside: a column for each buffer that the host fills.

use super::pass::Pass;
use crate::error::{Error, Result};
use crate::table::{Buffer, BufferId, Element, Role};

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
            | Role::Scratch
            | Role::Arena => false,
        }
    }
}

impl Buffer {
    /// Bytes of one row that the host gives.
    pub fn row_bytes(&self) -> usize {
        self.columns
            * match self.element {
                Element::Real | Element::U32 => 4,
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

    /// Whether all rows are there.
    pub(crate) fn check_filled(&self, filled: usize, rows: usize) -> Result<()> {
        if filled == rows {
            return Ok(());
        }
        let problem = format!("has {filled} rows of {}; the step needs {rows}", self.name);
        Err(Error::argument("feed", problem))
    }
}
