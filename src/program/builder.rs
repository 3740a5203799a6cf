//! Builds a program: makes the buffers and checks the shapes of each operation as it is added.

use super::shapes;
use super::{Buffer, BufferId, Element, Op, Pass, Placement, Program, Role, Rows};
use crate::error::{Error, Result};

/// Values a row, but of arenas: 4 GiB of f32, which no device binds at once. Sizes up to here are
/// rounded up and added without a thought of overflow.
const MOST_COLUMNS: usize = 1 << 30;

/// Makes a [`Program`]. Each operation is checked when it is added.
#[derive(Debug, Default)]
pub struct ProgramBuilder {
    program: Program,
}

impl ProgramBuilder {
    /// An empty program.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a buffer in an allocation of its own.
    ///
    /// # Errors
    /// [`Error::Argument`] if the name is taken, a dimension is 0, or there are more than 2^30
    /// columns.
    pub fn buffer(
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
            rows,
            columns,
            placement: Placement::Own,
        })
    }

    /// A buffer that holds one row of `columns` reals a sample.
    ///
    /// # Errors
    /// As [`buffer`](Self::buffer).
    pub fn activation(&mut self, name: impl Into<String>, columns: usize) -> Result<BufferId> {
        self.buffer(name, Role::Activation, Element::Real, Rows::Batch, columns)
    }

    /// A flat allocation for the slices of [`slice`](Self::slice).
    ///
    /// # Errors
    /// As [`buffer`](Self::buffer).
    pub fn arena(&mut self, name: impl Into<String>) -> Result<BufferId> {
        // It begins at the alignment and grows with each slice.
        self.buffer(name, Role::Arena, Element::Real, Rows::One, Buffer::SLICE_ALIGNMENT)
    }

    /// Adds `[rows, columns]` reals at the end of `arena`.
    ///
    /// # Errors
    /// As [`buffer`](Self::buffer); also if the size overflows.
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
            Rows::Fixed(count) => count.checked_next_multiple_of(4),
            Rows::One => Some(1),
            Rows::Batch => None,
        };
        let offset = self
            .program
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
            .zip(columns.checked_next_multiple_of(4))
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
            rows,
            columns,
            placement: Placement::Slice { arena, offset },
        })?;
        self.program.buffers[arena.0].columns = end;
        Ok(id)
    }

    fn place(&mut self, buffer: Buffer) -> Result<BufferId> {
        if self.program.find(&buffer.name).is_some() {
            return Err(Error::argument("name", format!("{} is taken already", buffer.name)));
        }
        if buffer.columns == 0 || buffer.rows == Rows::Fixed(0) {
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
        self.program.buffers.push(buffer);
        Ok(BufferId(self.program.buffers.len() - 1))
    }

    /// Appends `op` to `pass`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the shapes or element types of its buffers do not fit each other, or
    /// if it would write what it also reads.
    pub fn push(&mut self, pass: Pass, op: Op) -> Result<()> {
        shapes::check(&self.program, &op)?;
        match pass {
            Pass::Train => self.program.train.push(op),
            Pass::Evaluate => self.program.evaluate.push(op),
            Pass::Predict => self.program.predict.push(op),
            Pass::Update => self.program.update.push(op),
        }
        Ok(())
    }

    /// Says that `result` is what [`Pass::Predict`] computes for the output called `name`.
    pub fn output(&mut self, name: impl Into<String>, result: BufferId) {
        self.program.outputs.push((name.into(), result));
    }

    /// The name of a buffer made before.
    pub fn name(&self, id: BufferId) -> &str {
        &self.program.buffer(id).name
    }

    /// The finished program.
    pub fn build(self) -> Program {
        self.program
    }
}
