//! The sizes of a dense operation.

/// `[rows, inputs]`, `[inputs, units]` and `[rows, units]`, with the elements between rows.
#[derive(Debug, Clone, Copy)]
pub struct Dense {
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
