//! The sizes of an operation over sparse rows, for the CPU function and for the kernel, and how the
//! CPU function reads a row.

use bytemuck::{Pod, Zeroable};

use crate::error::Result;
use crate::number::Real;
use crate::operation::kernel::{Target, size};
use crate::operation::run::Run;
use crate::table::{BufferId, Element, Table};

/// `[rows, inputs]` of which at most `most` a row are stored, `[inputs, units]` and `[rows, units]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct SparseShape {
    /// Live rows of the batch.
    pub rows: usize,
    /// Columns of the layer's input.
    pub inputs: usize,
    /// Values that a row has places for.
    pub most: usize,
    /// Columns of the layer's output.
    pub units: usize,
    /// Stride of the weight and of the output.
    pub unit_stride: usize,
}

impl SparseShape {
    /// Between the rows of `input` and those of `output`, or of the gradients by these.
    pub(super) fn of<T: Real>(on: &Run<'_, T>, input: BufferId, output: BufferId) -> Self {
        let output = on.shape(output);
        SparseShape {
            rows: on.rows(),
            inputs: width(on.table, input),
            most: most(on.table, input),
            units: output.columns,
            unit_stride: output.stride,
        }
    }

    /// The values of each live row: their columns, and they themselves.
    pub(super) fn values<T: Real>(
        self,
        input: &[u32],
    ) -> impl Iterator<Item = impl Iterator<Item = (usize, T)>> {
        let SparseShape { rows, inputs, most, .. } = self;
        input.chunks_exact(2 * most).take(rows).map(move |row| {
            let (columns, values) = row.split_at(most);
            let values = values.iter().map(|&bits| T::from_f32(f32::from_bits(bits)));
            let columns = columns.iter().map(|&column| column as usize);
            columns.zip(values).take_while(move |&(column, _)| column < inputs)
        })
    }
}

/// Values in a row of sparse rows, those that are 0 included; 0 of a buffer of another kind.
pub(super) fn width(table: &Table, input: BufferId) -> usize {
    match table.buffer(input).element {
        Element::Sparse { width } => width,
        Element::Real | Element::U8 | Element::U32 => 0,
    }
}

fn most(table: &Table, input: BufferId) -> usize {
    table.columns(input) / 2
}

/// `Shape` in `shared/sparse.wgsl`.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct SparseConstants {
    pub inputs: u32,
    pub units: u32,
    /// Values that a row has places for.
    pub most: u32,
    /// The largest power of two that is at most `most`.
    half: u32,
    /// Columns of the input in a slice, where a kernel cuts them.
    slice: u32,
    unused: [u32; 3],
}

impl SparseConstants {
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) beyond 32 bits.
    pub(super) fn new(target: &Target<'_>, input: BufferId, output: BufferId) -> Result<Self> {
        let (inputs, most) = (size(width(target.table, input))?, size(most(target.table, input))?);
        let half = most.checked_ilog2().map_or(0, |log| 1 << log);
        let (units, slice) = (target.columns(output)?, 0);
        Ok(SparseConstants { inputs, units, most, half, slice, unused: [0; 3] })
    }

    /// With slices of so many columns.
    pub(super) fn cut(self, slice: u32) -> Self {
        SparseConstants { slice, ..self }
    }

    /// Steps of a search in a row.
    pub(super) fn search(&self) -> u32 {
        self.half.checked_ilog2().map_or(0, |log| log + 1)
    }
}
