//! Which rows of the host's buffers are which column of a model.

use crate::gpu::DeviceRows;

/// Columns of samples that lie in the host's buffers, by the names of the model's inputs and outputs;
/// all have as many rows.
///
/// ```
/// # use minibatch::{DeviceColumns, DeviceElement, DeviceRows};
/// # fn columns(images: &wgpu::Buffer, labels: &wgpu::Buffer) -> DeviceColumns {
/// DeviceColumns::new()
///     .input("image", DeviceRows::new(images, 60_000).element(DeviceElement::U8))
///     .target("class", DeviceRows::new(labels, 60_000).element(DeviceElement::U32))
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct DeviceColumns {
    pub(super) inputs: Vec<(String, DeviceRows)>,
    pub(super) targets: Vec<(String, DeviceRows)>,
    pub(super) weights: Vec<(String, DeviceRows)>,
    pub(super) indices: Option<DeviceRows>,
}

impl DeviceColumns {
    /// No column yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The samples of the input called `name`, whose name does not matter if it is the only one.
    #[must_use]
    pub fn input(mut self, name: &str, rows: DeviceRows) -> Self {
        self.inputs.push((name.to_owned(), rows));
        self
    }

    /// The targets of the output called `name`, whose name does not matter if it is the only one:
    /// indices of classes, or as many numbers as the output has. Without any target, the samples can
    /// only be predicted on.
    #[must_use]
    pub fn target(mut self, name: &str, rows: DeviceRows) -> Self {
        self.targets.push((name.to_owned(), rows));
        self
    }

    /// How much each sample's loss counts at the output called `name`, one number a sample; 1 unless
    /// given.
    #[must_use]
    pub fn sample_weight(mut self, name: &str, rows: DeviceRows) -> Self {
        self.weights.push((name.to_owned(), rows));
        self
    }

    /// Numbers of rows, [`DeviceElement::U32`](crate::DeviceElement::U32), one in each row: steps take
    /// the rows that some of them name, in their order, in place of rows that follow each other. They
    /// are read on the device when a step runs, so that a shader may write them. Nobody can look at
    /// them without waiting: a number that is too large means the last row.
    #[must_use]
    pub fn indices(self, numbers: DeviceRows) -> Self {
        DeviceColumns { indices: Some(numbers), ..self }
    }
}
