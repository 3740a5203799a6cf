//! The sizes of a dense operation, for the CPU function and for the kernel.

use bytemuck::{Pod, Zeroable};

use crate::number::{self, Real};
use crate::operation::run::Run;
use crate::table::BufferId;
use crate::threads::Threads;

/// `[rows, inputs]`, `[inputs, units]` and `[rows, units]`, with the elements between rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct DenseShape {
    /// Live rows of the batch.
    pub rows: usize,
    /// Columns of the layer's input.
    pub inputs: usize,
    /// Columns of the layer's output.
    pub units: usize,
    /// Stride of the input.
    pub input_stride: usize,
    /// Stride of the weight and of the output.
    pub unit_stride: usize,
}

impl DenseShape {
    /// Between the rows of `input` and those of `output`, or of the gradients by these.
    pub(super) fn of<T: Real>(on: &Run<'_, T>, input: BufferId, output: BufferId) -> Self {
        let (input, output) = (on.shape(input), on.shape(output));
        DenseShape {
            rows: on.rows(),
            inputs: input.columns,
            units: output.columns,
            input_stride: input.stride,
            unit_stride: output.stride,
        }
    }
}

/// Multiply-adds of a product that take several times as long as a hand-over to another thread.
const LEAST_PART: usize = 1 << 19;

/// Rows and columns of the blocks that threads take of the product `[rows, depth] · [depth, columns]`.
pub(super) fn block_size(size: [usize; 3], threads: &Threads) -> [usize; 2] {
    let work = size.into_iter().fold(1, usize::saturating_mul);
    number::block_size(size, threads.parts(work, LEAST_PART))
}

/// `Shape` in `shared/dense.wgsl`.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct WeightShape {
    inputs: u32,
    units: u32,
    scale: f32,
    unused: u32,
}

impl WeightShape {
    /// `scale` is what a byte of the input counts.
    pub(super) fn new(inputs: u32, units: u32, scale: f32) -> Self {
        WeightShape { inputs, units, scale, unused: 0 }
    }
}
