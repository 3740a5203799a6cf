//! What a step on resident rows uploads: the numbers of its rows, and what of them is not on the
//! device.

use std::sync::Arc;

use super::feed::{each_half, row_bytes};
use super::resident::Resident;
use crate::error::{Error, Result};
use crate::program::{Buffer, BufferId, Column, Element, Feed, Pass, Program, Reals, Step};

/// What a step on resident rows uploads.
pub(super) struct Layout {
    pub program: Arc<Program>,
    /// Rows of the set.
    pub set_rows: u32,
    /// The columns whose rows are not on the device.
    pub uploaded: Vec<Uploaded>,
    /// Bytes for each row of a step: its number, and its row of each of these columns.
    pub bytes_a_row: usize,
}

pub(super) struct Uploaded {
    pub id: BufferId,
    pub row_bytes: usize,
}

impl Layout {
    pub(super) fn new(program: Arc<Program>, columns: &[(BufferId, Resident)]) -> Result<Self> {
        let fed = |id: BufferId| Pass::Train.reads(program.buffer(id).role);
        let refused = |problem: String| Err(Error::argument("resident", problem));
        let Some(set_rows) = columns.first().map(|(_, resident)| resident.rows()) else {
            return refused("names no column; give at least one".into());
        };
        for (place, (id, resident)) in columns.iter().enumerate() {
            let buffer = program.buffer(*id);
            let name = &buffer.name;
            if !fed(*id) {
                return refused(format!("has rows for {name}, which the host does not fill"));
            }
            if columns.iter().skip(place + 1).any(|(other, _)| other == id) {
                return refused(format!("has rows for {name} twice"));
            }
            if (resident.rows(), resident.row_bytes()) != (set_rows, row_bytes(buffer)) {
                let (rows, bytes, expected) =
                    (resident.rows(), resident.row_bytes(), row_bytes(buffer));
                return refused(format!(
                    "has {rows} rows of {bytes} bytes for {name}; expected {set_rows} of {expected}"
                ));
            }
        }
        let resident = |id: BufferId| columns.iter().any(|(other, _)| *other == id);
        let uploaded: Vec<_> = program
            .buffers()
            .filter(|&(id, _)| fed(id) && !resident(id))
            .map(|(id, buffer)| Uploaded { id, row_bytes: row_bytes(buffer) as usize })
            .collect();
        let bytes_a_row = 4 + uploaded.iter().map(|column| column.row_bytes).sum::<usize>();
        Ok(Layout { program, set_rows, uploaded, bytes_a_row })
    }
}

/// What a feed writes to, to be lent again.
#[derive(Default)]
pub(super) struct Memory {
    /// The numbers of the rows, then one column after the other.
    pub bytes: Vec<u8>,
    /// Rows of each column so far.
    pub filled: Vec<usize>,
}

/// Memory for what a step on resident rows uploads, of a [`GpuExecutor`](super::GpuExecutor): the
/// numbers of its rows, and the rows of the columns that are not on the device.
pub struct GatherFeed {
    layout: Arc<Layout>,
    rows: usize,
    /// How many numbers of rows are there.
    numbers: usize,
    pub(super) memory: Memory,
}

impl std::fmt::Debug for GatherFeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GatherFeed").field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl GatherFeed {
    /// For `rows` rows, in memory of a feed before it.
    pub(super) fn new(layout: &Arc<Layout>, rows: usize, memory: Memory) -> Self {
        let Memory { mut bytes, mut filled } = memory;
        bytes.resize(rows * layout.bytes_a_row, 0);
        filled.clear();
        filled.resize(layout.uploaded.len(), 0);
        let memory = Memory { bytes, filled };
        GatherFeed { layout: Arc::clone(layout), rows, numbers: 0, memory }
    }

    /// Whether a step of `pass` on rows of this layout can read it.
    ///
    /// # Errors
    /// [`Error::Argument`] if rows are missing, the step has others, or the feed is of other
    /// resident rows.
    pub(super) fn check(&self, layout: &Arc<Layout>, pass: Pass, step: &Step) -> Result<()> {
        if !Arc::ptr_eq(&self.layout, layout) {
            let problem = "is of other resident rows than the executor's; take a new one";
            return Err(Error::argument("feed", problem));
        }
        let (rows, live_rows) = (self.rows, step.live_rows);
        if rows != live_rows {
            let problem = format!("has {rows} rows and the step {live_rows}");
            return Err(Error::argument("feed", problem));
        }
        if self.numbers != rows {
            let problem =
                format!("has the numbers of {} rows; the step needs {rows}", self.numbers);
            return Err(Error::argument("feed", problem));
        }
        for (column, &filled) in self.layout.uploaded.iter().zip(&self.memory.filled) {
            let buffer = self.layout.program.buffer(column.id);
            if pass.reads(buffer.role) {
                buffer.check_filled(filled, rows)?;
            }
        }
        Ok(())
    }

    /// Says which rows of the set the step takes, in the order of the step's rows; the same of each
    /// resident column.
    ///
    /// # Errors
    /// [`Error::Argument`] if they are not as many as the feed has rows, or one is not less than the
    /// rows of the set.
    pub fn gather(&mut self, numbers: impl IntoIterator<Item = u32>) -> Result<()> {
        let (rows, set_rows) = (self.rows, self.layout.set_rows);
        let mut numbers = numbers.into_iter();
        self.numbers = 0;
        for (place, number) in self.memory.bytes.chunks_exact_mut(4).take(rows).zip(&mut numbers) {
            if number >= set_rows {
                let problem = format!("{number} was asked for of a set of {set_rows} rows");
                return Err(Error::argument("row", problem));
            }
            place.copy_from_slice(&number.to_ne_bytes());
            self.numbers += 1;
        }
        if self.numbers < rows || numbers.next().is_some() {
            let problem = match self.numbers < rows {
                true => format!("are {} numbers for a feed of {rows}", self.numbers),
                false => format!("are more numbers than the {rows} rows of the feed"),
            };
            self.numbers = 0;
            return Err(Error::argument("rows", problem));
        }
        Ok(())
    }
}

impl Feed for GatherFeed {
    type Column<'a> = GatherColumn<'a>;

    fn rows(&self) -> usize {
        self.rows
    }

    /// Those whose rows are not on the device.
    fn columns(&mut self) -> impl Iterator<Item = (BufferId, GatherColumn<'_>)> {
        let (rows, program) = (self.rows, &self.layout.program);
        let Memory { bytes, filled } = &mut self.memory;
        let mut rest = bytes.get_mut(rows * 4..).unwrap_or_default();
        self.layout.uploaded.iter().zip(filled).filter_map(move |(column, filled)| {
            let row_bytes = column.row_bytes;
            let (bytes, others) =
                std::mem::take(&mut rest).split_at_mut_checked(rows * row_bytes)?;
            rest = others;
            let buffer = program.buffer(column.id);
            let used = buffer.row_bytes();
            Some((column.id, GatherColumn { bytes, row_bytes, used, buffer, rows, filled }))
        })
    }
}

/// The rows of one buffer in a [`GatherFeed`].
#[derive(Debug)]
pub struct GatherColumn<'a> {
    bytes: &'a mut [u8],
    /// Bytes from one row to the next.
    row_bytes: usize,
    /// Bytes of a row without padding.
    used: usize,
    buffer: &'a Buffer,
    rows: usize,
    filled: &'a mut usize,
}

impl Column for GatherColumn<'_> {
    #[inline]
    fn push(&mut self, row: &[u8]) -> Result<()> {
        if row.len() != self.used || *self.filled >= self.rows {
            return self.buffer.check_row(row.len(), *self.filled, self.rows);
        }
        let start = *self.filled * self.row_bytes;
        if let Some(memory) = self.bytes.get_mut(start..start + self.row_bytes)
            && let Some((used, padding)) =
                memory.split_at_mut_checked(self.buffer.stored_row_bytes())
        {
            match (self.buffer.element, self.buffer.reals) {
                (Element::Real, Reals::Half) => each_half(row, |place, bytes| {
                    if let Some(to) = used.get_mut(place..place + bytes.len()) {
                        to.copy_from_slice(bytes);
                    }
                }),
                (Element::Real, Reals::Full)
                | (Element::U8 | Element::U32 | Element::Sparse { .. }, _) => {
                    used.copy_from_slice(row);
                }
            }
            if !padding.is_empty() {
                padding.fill(0);
            }
            *self.filled += 1;
        }
        Ok(())
    }

    fn push_sparse(&mut self, columns: &[u32], values: &[f32]) -> Result<()> {
        self.buffer.check_sparse_row(columns, values, *self.filled, self.rows)?;
        let problem = format!("takes no sparse rows ({})", self.buffer.name);
        Err(Error::argument("feed", problem))
    }

    fn push_words(&mut self, mut words: impl Iterator<Item = u32>) -> Result<()> {
        if (self.row_bytes, self.used) == (4, 4) {
            let rest = self.bytes.get_mut(*self.filled * 4..).unwrap_or_default();
            for (place, word) in rest.chunks_exact_mut(4).zip(&mut words) {
                place.copy_from_slice(&word.to_ne_bytes());
                *self.filled += 1;
            }
        }
        // What is left over is refused, row by row.
        words.try_for_each(|word| self.push(&word.to_ne_bytes()))
    }
}
