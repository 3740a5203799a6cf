//! A table of named buffers.

use super::buffer::{Buffer, BufferId, Element, Placement, Reals, Role, Rows};
use crate::error::{Error, Result};
use crate::number::expression::Formula;

/// Values a row, but of arenas: 4 GiB of f32, which no device binds at once. Sizes up to here are
/// rounded up and added without a thought of overflow.
const MOST_COLUMNS: usize = 1 << 30;

/// The number of an expression in its program's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ExpressionId(usize);

/// The named buffers of a program, and the expressions that its operations compute.
#[derive(Debug, Clone, Default)]
pub struct Table {
    buffers: Vec<Buffer>,
    expressions: Vec<Formula>,
    /// How [activations](Self::activation) are stored that are added.
    activations: Reals,
}

impl Table {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// A table of the same expressions, under the same numbers, without buffers.
    pub fn without_buffers(&self) -> Self {
        Table { buffers: Vec::new(), ..self.clone() }
    }

    /// Says how the [activations](Self::activation) are stored that are added from now on, and
    /// returns how they were so far: as full reals unless told.
    pub fn store_activations(&mut self, reals: Reals) -> Reals {
        std::mem::replace(&mut self.activations, reals)
    }

    /// How [activations](Self::activation) are stored that are added now.
    pub fn stored_activations(&self) -> Reals {
        self.activations
    }

    /// Says how the reals of `id` are stored.
    pub fn store(&mut self, id: BufferId, reals: Reals) {
        if let Some(buffer) = self.buffers.get_mut(id.index()) {
            buffer.reals = reals;
        }
    }

    /// The buffer of `id`.
    pub fn buffer(&self, id: BufferId) -> &Buffer {
        // Ids are only made by the table that they belong to.
        &self.buffers[id.index()]
    }

    /// Values in a row of `id`.
    pub fn columns(&self, id: BufferId) -> usize {
        self.buffer(id).columns
    }

    /// The whole table, in the order of the ids.
    pub fn buffers(&self) -> impl Iterator<Item = (BufferId, &Buffer)> {
        self.buffers.iter().enumerate().map(|(i, buffer)| (BufferId(i), buffer))
    }

    /// The buffers of one role, in the order of the ids.
    pub fn of_role(&self, role: Role) -> impl Iterator<Item = (BufferId, &Buffer)> {
        self.buffers().filter(move |(_, buffer)| buffer.role == role)
    }

    /// The buffer called `name`.
    pub fn find(&self, name: &str) -> Option<BufferId> {
        self.buffers().find(|(_, buffer)| buffer.name == name).map(|(id, _)| id)
    }

    /// The same buffers, each arena replaced by its slices.
    pub fn parts(&self, ids: &[BufferId]) -> Vec<BufferId> {
        let parts = ids.iter().map(|&id| match self.buffer(id).role == Role::Arena {
            true => self.slices(id).map(|(slice, _)| slice).collect(),
            false => vec![id],
        });
        parts.collect::<Vec<_>>().concat()
    }

    /// The buffers that are slices of `arena`, in the order of their offsets.
    pub fn slices(&self, arena: BufferId) -> impl Iterator<Item = (BufferId, &Buffer)> {
        self.buffers().filter(
            move |(_, buffer)| matches!(buffer.placement, Placement::Slice { arena: a, .. } if a == arena),
        )
    }

    /// Adds a buffer in an allocation of its own.
    ///
    /// # Errors
    /// [`Error::Argument`] if the name is taken, a dimension is 0, or there are more than 2^30
    /// columns.
    pub fn add(
        &mut self,
        name: impl Into<String>,
        role: Role,
        element: Element,
        rows: Rows,
        columns: usize,
    ) -> Result<BufferId> {
        self.place(Buffer {
            name: name.into(),
            role,
            element,
            reals: Reals::Full,
            rows,
            columns,
            placement: Placement::Own,
        })
    }

    /// A buffer that holds one row of `columns` reals for each sample, stored as
    /// [`store_activations`](Self::store_activations) says.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn activation(&mut self, name: impl Into<String>, columns: usize) -> Result<BufferId> {
        let id = self.add(name, Role::Activation, Element::Real, Rows::Batch, columns)?;
        self.store(id, self.activations);
        Ok(id)
    }

    /// A flat allocation for the slices of [`slice`](Self::slice).
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn arena(&mut self, name: impl Into<String>) -> Result<BufferId> {
        // It begins at the alignment and grows with each slice.
        self.add(name, Role::Arena, Element::Real, Rows::One, Buffer::SLICE_ALIGNMENT)
    }

    /// Adds `[rows, columns]` reals at the end of `arena`.
    ///
    /// # Errors
    /// As [`add`](Self::add); also if the size overflows.
    pub fn slice(
        &mut self,
        arena: BufferId,
        name: impl Into<String>,
        role: Role,
        rows: Rows,
        columns: usize,
    ) -> Result<BufferId> {
        let name = name.into();
        let count = match rows {
            Rows::Fixed(count) | Rows::Packed(count) => count.checked_next_multiple_of(4),
            Rows::One => Some(1),
            Rows::Batch => None,
        };
        let stride = match rows {
            Rows::Packed(_) => Some(columns),
            Rows::Fixed(_) | Rows::One | Rows::Batch => columns.checked_next_multiple_of(4),
        };
        let offset = self
            .slices(arena)
            .map(|(_, slice)| match slice.placement {
                Placement::Slice { offset, .. } => offset + slice.allocated(0),
                Placement::Own => 0,
            })
            .max()
            .unwrap_or(0)
            .next_multiple_of(Buffer::SLICE_ALIGNMENT);
        // Kernels count elements in u32.
        let end = count
            .zip(stride)
            .and_then(|(rows, columns)| rows.checked_mul(columns))
            .and_then(|elements| elements.checked_add(offset))
            .and_then(|end| end.checked_next_multiple_of(Buffer::SLICE_ALIGNMENT))
            .filter(|&end| end <= u32::MAX as usize)
            .ok_or_else(|| {
                Error::argument(
                    "units",
                    format!(
                        "{name} of [{rows:?}, {columns}] makes the model larger than 2^32 parameters"
                    ),
                )
            })?;
        let id = self.place(Buffer {
            name,
            role,
            element: Element::Real,
            reals: Reals::Full,
            rows,
            columns,
            placement: Placement::Slice { arena, offset },
        })?;
        self.buffers[arena.index()].columns = end;
        Ok(id)
    }

    /// The expression of `id`.
    pub fn expression(&self, id: ExpressionId) -> &Formula {
        // Ids are only made by the table that they belong to.
        &self.expressions[id.0]
    }

    /// The number of that expression, which is added unless it is there.
    pub fn add_expression(&mut self, formula: Formula) -> ExpressionId {
        let known = self.expressions.iter().position(|other| *other == formula);
        ExpressionId(known.unwrap_or_else(|| {
            self.expressions.push(formula);
            self.expressions.len() - 1
        }))
    }

    fn place(&mut self, buffer: Buffer) -> Result<BufferId> {
        if self.find(&buffer.name).is_some() {
            return Err(Error::argument("name", format!("{} is taken already", buffer.name)));
        }
        if buffer.columns == 0 || matches!(buffer.rows, Rows::Fixed(0) | Rows::Packed(0)) {
            return Err(Error::argument(
                "shape",
                format!("{} has a dimension of 0; every dimension must be at least 1", buffer.name),
            ));
        }
        if buffer.columns > MOST_COLUMNS {
            let Buffer { name, columns, .. } = &buffer;
            let problem = format!("{name} would be rows of {columns} values; give at most 2^30");
            return Err(Error::argument("shape", problem));
        }
        self.buffers.push(buffer);
        Ok(BufferId(self.buffers.len() - 1))
    }
}
