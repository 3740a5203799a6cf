//! Whether buffers have the shapes that an operation demands.

use std::cell::{Cell, RefCell};

use crate::error::{Error, Result};
use crate::operation::activation::Elementwise;
use crate::table::{BufferId, Element, Reals, Role, Rows, Table};

/// Compares the buffers of one operation with what it demands; the errors name both.
#[derive(Debug, Clone)]
pub struct Shapes<'a> {
    table: &'a Table,
    operation: &'static str,
    /// Those that may be stored as f16, as far as they have been compared.
    activations: RefCell<Vec<BufferId>>,
    /// How those of them are stored that are all stored alike.
    reals: Cell<Option<Reals>>,
}

impl<'a> Shapes<'a> {
    /// For the operation of that name.
    pub fn new(table: &'a Table, operation: &'static str) -> Self {
        Shapes { table, operation, activations: RefCell::default(), reals: Cell::default() }
    }

    /// The buffers that the operation takes as full reals or as halves.
    pub(super) fn may_be_halves(&self) -> Vec<BufferId> {
        self.activations.borrow().clone()
    }

    /// Whether some buffer is stored as halves.
    pub(super) fn has_halves(&self) -> bool {
        let half = |id: &BufferId| self.table.buffer(*id).reals == Reals::Half;
        self.activations.borrow().iter().any(half)
    }

    /// How the rows are stored that [`activations`](Self::activations) has compared.
    pub(super) fn reals(&self) -> Reals {
        self.reals.get().unwrap_or_default()
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
        self.demand(id, (element, Reals::Full), rows, columns)
    }

    fn demand(
        &self,
        id: BufferId,
        (element, reals): (Element, Reals),
        rows: Rows,
        columns: usize,
    ) -> Result<()> {
        let buffer = self.table.buffer(id);
        let actual = (buffer.element, buffer.reals, buffer.rows, buffer.columns);
        if actual == (element, reals, rows, columns) {
            return Ok(());
        }
        let describe = |element: Element, reals: Reals, rows: Rows, columns: usize| match reals {
            Reals::Full => format!("{element:?} [{rows:?}, {columns}]"),
            Reals::Half => format!("{element:?} as f16 [{rows:?}, {columns}]"),
        };
        Err(Error::Shape {
            what: format!("{} in {}", buffer.name, self.operation),
            actual: describe(buffer.element, buffer.reals, buffer.rows, buffer.columns),
            expected: describe(element, reals, rows, columns),
        })
    }

    /// Demands `[B, columns]` reals, which may be stored as f16.
    ///
    /// # Errors
    /// As [`expect`](Self::expect).
    pub fn activation(&self, id: BufferId, columns: usize) -> Result<()> {
        self.activations.borrow_mut().push(id);
        let reals = self.table.buffer(id).reals;
        self.demand(id, (Element::Real, reals), Rows::Batch, columns)
    }

    /// Demands `[B, columns]` reals of each, which may be stored as f16: all that one operation
    /// demands in this way must be stored alike, as its kernel has one type for them.
    ///
    /// # Errors
    /// As [`expect`](Self::expect).
    pub fn activations<const N: usize>(&self, ids: [BufferId; N], columns: usize) -> Result<()> {
        for id in ids {
            self.activation(id, columns)?;
            let reals = self.reals.get().unwrap_or(self.table.buffer(id).reals);
            self.reals.set(Some(reals));
            self.demand(id, (Element::Real, reals), Rows::Batch, columns)?;
        }
        Ok(())
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

    /// Demands `[rows, columns]` reals without padding between the rows.
    ///
    /// # Errors
    /// As [`expect`](Self::expect).
    pub fn packed(&self, id: BufferId, rows: usize, columns: usize) -> Result<()> {
        self.expect(id, Element::Real, Rows::Packed(rows), columns)
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
            Rows::Fixed(_) | Rows::Packed(_) | Rows::One => false,
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
