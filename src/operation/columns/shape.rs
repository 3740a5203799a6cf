//! The constants that the kernels of this family share.

use bytemuck::{Pod, Zeroable};

/// `Columns` in `shared/columns.wgsl`.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Columns {
    /// Columns of the input, of the first one if there are two.
    pub inputs: u32,
    /// Columns of the output.
    pub units: u32,
    /// The column of the input that is the first one of the output.
    pub offset: u32,
}
