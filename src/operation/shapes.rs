//! Whether buffers have the shapes that an operation demands.

use crate::error::{Error, Result};
use crate::operation::activation::Elementwise;
use crate::table::{BufferId, Element, Role, Rows, Table};

/// Compares the buffers of one operation with what it demands; the errors name both.
#[derive(Debug, Clone, Copy)]
pub struct Shapes<'a> {
    table: &'a Table,
    operation: &'static str,
}

impl<'a> Shapes<'a> {
    /// For the operation of that name.
    pub fn new(table: &'a Table, operation: &'static str) -> Self {
        Shapes { table, operation }
    }

    /// The buffers.
    pub fn table(&self) -> &'a Table {
        self.table
    }

    /// Values in a row of `id`.
    pub fn columns(&self, id: BufferId) -> usize {
        self.table.columns(id)
    }

    /// The first dimension of `id`.
    pub fn rows_of(&self, id: BufferId) -> Rows {
        self.table.buffer(id).rows
    }

    /// Demands that element type and shape of `id`.
    ///
    /// # Errors
    /// [`Error::Shape`] if it has another one; so below.
    pub fn expect(&self, id: BufferId, element: Element, rows: Rows, columns: usize) -> Result<()> {
        let buffer = self.table.buffer(id);
        if (buffer.element, buffer.rows, buffer.columns) == (element, rows, columns) {
            return Ok(());
        }
        Err(Error::Shape {
            what: format!("{} in {}", buffer.name, self.operation),
            actual: format!("{:?} [{:?}, {}]", buffer.element, buffer.rows, buffer.columns),
            expected: format!("{element:?} [{rows:?}, {columns}]"),
        })
    }

    /// Demands `[B, columns]` reals of each.
    ///
    /// # Errors
    /// As [`expect`](Self::expect).
    pub fn rows<const N: usize>(&self, ids: [BufferId; N], columns: usize) -> Result<()> {
        ids.into_iter().try_for_each(|id| self.expect(id, Element::Real, Rows::Batch, columns))
    }

    /// Demands `[columns]` reals of each.
    ///
    /// # Errors
    /// As [`expect`](Self::expect).
    pub fn vectors<const N: usize>(&self, ids: [BufferId; N], columns: usize) -> Result<()> {
        ids.into_iter().try_for_each(|id| self.expect(id, Element::Real, Rows::One, columns))
    }

    /// Demands `[rows, columns]` reals.
    ///
    /// # Errors
    /// As [`expect`](Self::expect).
    pub fn matrix(&self, id: BufferId, rows: usize, columns: usize) -> Result<()> {
        self.expect(id, Element::Real, Rows::Fixed(rows), columns)
    }

    /// Demands reals of whatever shape, the same for all.
    ///
    /// # Errors
    /// As [`expect`](Self::expect).
    pub fn alike<const N: usize>(&self, ids: [BufferId; N]) -> Result<()> {
        let Some(&first) = ids.first() else { return Ok(()) };
        let (rows, columns) = (self.rows_of(first), self.columns(first));
        ids.into_iter().try_for_each(|id| self.expect(id, Element::Real, rows, columns))
    }

    /// Demands reals of whatever shape, the same for all, that does not depend on the batch:
    /// parameters, their gradients or arenas.
    ///
    /// # Errors
    /// As [`expect`](Self::expect).
    pub fn parameters<const N: usize>(&self, ids: [BufferId; N]) -> Result<()> {
        self.alike(ids)?;
        let of_batch = |id: &&BufferId| match self.rows_of(**id) {
            Rows::Batch => true,
            Rows::Fixed(_) | Rows::One => false,
        };
        let Some(&id) = ids.iter().find(of_batch) else { return Ok(()) };
        let buffer = self.table.buffer(id);
        Err(Error::Shape {
            what: format!("{} in {}", buffer.name, self.operation),
            actual: format!("[{:?}, {}]", buffer.rows, buffer.columns),
            expected: "a parameter, whose shape does not depend on the batch".into(),
        })
    }

    /// Demands `[B, 1]` integers: a class index or a count for each sample.
    ///
    /// # Errors
    /// As [`expect`](Self::expect).
    pub fn indices<const N: usize>(&self, ids: [BufferId; N]) -> Result<()> {
        ids.into_iter().try_for_each(|id| self.expect(id, Element::U32, Rows::Batch, 1))
    }

    /// Demands sparse rows of `width` values.
    ///
    /// # Errors
    /// As [`expect`](Self::expect).
    pub fn sparse_rows(&self, id: BufferId, width: usize) -> Result<()> {
        let halves = self.columns(id) / 2;
        self.expect(id, Element::Sparse { width }, Rows::Batch, 2 * halves)
    }

    /// Demands that `id` is a metric, whose rows lie without padding.
    ///
    /// # Errors
    /// [`Error::Shape`] if it has another role.
    pub fn metric(&self, id: BufferId) -> Result<()> {
        let buffer = self.table.buffer(id);
        if buffer.role == Role::Metric {
            return Ok(());
        }
        Err(Error::Shape {
            what: format!("{} in {}", buffer.name, self.operation),
            actual: format!("the role {:?}", buffer.role),
            expected: format!("{:?}", Role::Metric),
        })
    }

    /// Demands an activation whose derivative can be told from its result: the operation has no
    /// other value at hand.
    ///
    /// # Errors
    /// [`Error::Argument`] for any other.
    pub fn fused(&self, activation: Elementwise) -> Result<()> {
        if activation.is_fused() {
            return Ok(());
        }
        let problem = format!("{activation:?} cannot be part of {}", self.operation);
        Err(Error::argument("activation", problem))
    }
}
