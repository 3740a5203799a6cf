//! A model's values where they lie on the device, for shaders of the host's.

use wgpu::{BindingResource, BufferBinding, BufferSize};

use super::device_element::DeviceElement;
use super::executor::GpuExecutor;
use super::table::Table;
use crate::error::Result;
use crate::program::{BufferId, Pass};

/// A named value of a model as a region of a buffer on the device.
///
/// It is a matrix of `[rows, columns]`, row-major: value `(row, column)` is the element `row * stride +
/// column` of the region, `element.bytes() * (row * stride + column)` bytes after `offset`. A vector,
/// such as a bias, is one row. The stride of reals and bytes is `columns` rounded up to a multiple of
/// four, and what lies between is zero, so a region of `f32` can be declared as `array<f32>` or as
/// `array<vec4<f32>>` in WGSL; integers, metrics, the weights of samples and the table of a hash grid lie
/// without gaps.
///
/// | value | rows | columns |
/// |---|---|---|
/// | `dense_1.weight` | inputs | units |
/// | `dense_1.bias` | 1 | units |
/// | a layer's result, a prediction | samples for which there is room | units |
/// | a metric's sums | 1, or samples for which there is room | its sums |
///
/// `offset` is a multiple of 256, which every device can bind. The buffer has the usages `STORAGE`,
/// `COPY_SRC` and `COPY_DST`. Several values may be parts of one buffer: wgpu refuses a dispatch that
/// binds one part of it for writing and another one beside it.
///
/// What lies there is what the work that was submitted last has left. Parameters, what the optimizer
/// keeps and moving statistics stay in the same buffer as long as the model lives. What belongs to a
/// batch moves to a new buffer when room is made for larger batches: take it after the model was
/// prepared for the largest one.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DeviceRegion {
    /// The whole buffer.
    pub buffer: wgpu::Buffer,
    /// The byte at which the region begins, a multiple of 256.
    pub offset: u64,
    /// Its bytes, a multiple of four: all rows with their padding, and for a weight the rows of zeros
    /// that round its inputs up to a multiple of four.
    pub size: u64,
    /// Rows that may hold values.
    pub rows: usize,
    /// Values in a row.
    pub columns: usize,
    /// Elements from one row to the next.
    pub stride: usize,
    /// How values are stored.
    pub element: DeviceElement,
}

impl DeviceRegion {
    /// The region as an entry of a bind group, for `var<storage, read>`.
    #[must_use]
    pub fn as_binding(&self) -> BindingResource<'_> {
        BindingResource::Buffer(BufferBinding {
            buffer: &self.buffer,
            offset: self.offset,
            size: BufferSize::new(self.size),
        })
    }

    /// Where `id` lies.
    ///
    /// # Errors
    /// As [`Table::locate`].
    pub(super) fn of(table: &Table, id: BufferId) -> Result<Self> {
        let (buffer, offset) = table.locate(id)?;
        let described = table.describe(id);
        Ok(DeviceRegion {
            buffer: buffer.clone(),
            offset,
            size: table.byte_size(id),
            rows: described.live_rows(table.capacity()),
            columns: described.columns,
            stride: described.stride(),
            element: DeviceElement::of(described),
        })
    }
}

impl GpuExecutor {
    /// Where the values of `id` lie on the device.
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) if the buffer is unused here, or if a fused step did
    /// not keep it and no prediction computes it.
    pub fn region(&self, id: BufferId) -> Result<DeviceRegion> {
        let predictions = self.program.ops(Pass::Predict);
        if !predictions.iter().any(|op| op.writes().contains(&id)) {
            self.kept.check(&self.program, id)?;
        }
        DeviceRegion::of(&self.table, id)
    }
}
