//! The buffers that operations read and write.

use crate::error::{Error, Result};

/// The number of a buffer in its program's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BufferId(pub(super) usize);

impl BufferId {
    /// The place in the table.
    pub fn index(self) -> usize {
        self.0
    }
}

/// What a buffer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Filled by the host with each batch's samples: the first one with the data's first input, and
    /// so on.
    Input,
    /// Filled by the host with each batch's targets, class indices `[B, 1]`, or floats; in the order
    /// of the data's, as the inputs.
    Target,
    /// Filled by the host with how much each sample's loss counts; one for each target.
    SampleWeight,
    /// Trained.
    Parameter,
    /// The loss' derivative by a parameter.
    ParameterGradient,
    /// Not trained, but a part of what the model has learned: moving statistics.
    State,
    /// Kept by the optimizer from step to step.
    OptimizerState,
    /// Computed anew in each step: a layer's output, or the loss' derivative by it.
    Activation,
    /// Added to by each step, read and cleared by the host.
    Metric,
    /// What the first kernel of a fused step hands to the second one, for each sample. Only a GPU has
    /// memory for it.
    Handover,
    /// Zeros in the place of a bias that a layer has not, room for its gradient, or a norm.
    Scratch,
    /// One flat allocation that parameters, gradients or moments are slices of.
    Arena,
}

impl Role {
    /// Whether such values outlast a step that changes them.
    pub fn outlasts_step(self) -> bool {
        match self {
            Role::Parameter | Role::State | Role::OptimizerState | Role::Metric | Role::Arena => {
                true
            }
            Role::Input
            | Role::Target
            | Role::SampleWeight
            | Role::ParameterGradient
            | Role::Activation
            | Role::Handover
            | Role::Scratch => false,
        }
    }
}

/// The type of a buffer's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// The executor's real number: f32 on a GPU, f32 or f64 on the CPU.
    Real,
    /// An unsigned byte.
    U8,
    /// An unsigned 32-bit integer.
    U32,
    /// A word of a sparse row of `width` reals, of which only those that are not 0 are stored. The
    /// first half of the row's words are their columns, ascending; the second half are the reals
    /// themselves, as the bits of an f32. Places that are not needed hold [`Element::NO_COLUMN`] and
    /// 0, after all others.
    Sparse {
        /// Values in a row, those that are 0 included.
        width: usize,
    },
}

impl Element {
    /// In the place of a column where a sparse row has no more values. It is above all columns, so
    /// that a row ascends to its end.
    pub const NO_COLUMN: u32 = u32::MAX;
}

/// How the reals of a buffer are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Reals {
    /// As the executor's real number: f32 on a GPU, f32 or f64 on the CPU.
    #[default]
    Full,
    /// As f16: two bytes on a GPU; on the CPU numbers that an f16 can hold, rounded to the nearest
    /// whenever an operation has written them.
    Half,
}

/// The first dimension of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// One row a sample: room for the largest batch, live rows used.
    Batch,
    /// This many rows always, a weight's inputs: allocated in blocks of four, as kernels read them.
    Fixed(usize),
    /// This many rows always, one directly after the other: rows of a few values, of which padding would be a
    /// large part. What rounds their number up to a multiple of four comes last.
    Packed(usize),
    /// One row always, and no room for more: a bias, or a flat arena.
    One,
}

/// Where a buffer lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// In an allocation of its own.
    Own,
    /// In another buffer, from this element on.
    Slice {
        /// The buffer it is a part of.
        arena: BufferId,
        /// First element within the arena, a multiple of [`Buffer::SLICE_ALIGNMENT`].
        offset: usize,
    },
}

/// A named buffer of `[rows, columns]` elements, row-major, its rows [`stride`](Self::stride)
/// elements apart on both executors. Elements between `columns` and the stride, and the rows that
/// round a weight or a table up to a multiple of four, are always zero.
#[derive(Debug, Clone)]
pub struct Buffer {
    /// Unique in its program, `dense_1.weight` say.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Type of the elements.
    pub element: Element,
    /// How they are stored, if they are reals.
    pub reals: Reals,
    /// First dimension.
    pub rows: Rows,
    /// Second dimension.
    pub columns: usize,
    /// Where it lies.
    pub placement: Placement,
}

impl Buffer {
    /// Slices of an arena begin at multiples of this many elements: 256 bytes of f32, the largest
    /// offset alignment that a WebGPU device may ask for.
    pub const SLICE_ALIGNMENT: usize = 64;

    /// Elements from one row to the next: `columns` rounded up to a multiple of four, so that
    /// kernels load four at a time and need no tail; plain `columns` for integers, sparse rows, metrics
    /// and packed rows.
    pub fn stride(&self) -> usize {
        if let Rows::Packed(_) = self.rows {
            return self.columns;
        }
        match (self.element, self.role) {
            (Element::U32 | Element::Sparse { .. }, _) | (_, Role::Metric | Role::SampleWeight) => {
                self.columns
            }
            (Element::Real | Element::U8, _) => self.columns.next_multiple_of(4),
        }
    }

    /// Bytes of an element on a device.
    pub fn element_bytes(&self) -> usize {
        match (self.element, self.reals) {
            (Element::Real, Reals::Half) => 2,
            (Element::Real, Reals::Full) | (Element::U32 | Element::Sparse { .. }, _) => 4,
            (Element::U8, _) => 1,
        }
    }

    /// Rows allocated for batches of up to `batch` samples.
    pub fn allocated_rows(&self, batch: usize) -> usize {
        match self.rows {
            Rows::Batch => batch,
            Rows::Fixed(rows) | Rows::Packed(rows) => rows.next_multiple_of(4),
            Rows::One => 1,
        }
    }

    /// Elements allocated for batches of up to `batch` samples.
    pub fn allocated(&self, batch: usize) -> usize {
        self.allocated_rows(batch).saturating_mul(self.stride())
    }

    /// Bytes that it takes on a device with room for batches of up to `batch` samples, at least four.
    pub fn bytes(&self, batch: usize) -> u64 {
        (self.allocated(batch) as u64).saturating_mul(self.element_bytes() as u64).max(4)
    }

    /// Rows that hold values when `live_rows` samples are in the batch.
    pub fn live_rows(&self, live_rows: usize) -> usize {
        match self.rows {
            Rows::Batch => live_rows,
            Rows::Fixed(rows) | Rows::Packed(rows) => rows,
            Rows::One => 1,
        }
    }

    /// The number of rows that `values` values fill.
    ///
    /// # Errors
    /// [`Error::Shape`] if they fill no whole number of rows, or not the fixed one.
    pub fn check_values(&self, values: usize) -> Result<usize> {
        let rows = values / self.columns;
        let fits = values.is_multiple_of(self.columns) && self.live_rows(rows) == rows;
        fits.then_some(rows).ok_or_else(|| Error::Shape {
            what: self.name.clone(),
            actual: format!("{values} values"),
            expected: format!("[{:?}, {}]", self.rows, self.columns),
        })
    }

    /// Whether the values that `op` wrote here in step `step`, without padding, are all finite.
    ///
    /// # Errors
    /// [`Error::NonFiniteValue`] for the first one that is not.
    pub fn check_finite(&self, op: &str, step: u64, values: &[f64]) -> Result<()> {
        match values.iter().enumerate().find(|(_, value)| !value.is_finite()) {
            None => Ok(()),
            Some((place, &value)) => Err(Error::NonFiniteValue {
                op: op.to_owned(),
                buffer: self.name.clone(),
                row: place / self.columns,
                column: place % self.columns,
                value,
                step,
            }),
        }
    }
}
