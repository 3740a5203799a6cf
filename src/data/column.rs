//! One input or one target of all samples, as one array.

use std::sync::Arc;

use crate::error::{Error, Result};

/// The values of all samples, one sample after the other.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Features {
    /// Bytes (pixels): they stay bytes until the device makes them floats.
    U8(Arc<Vec<u8>>),
    /// Floats, used as they are.
    F32(Arc<Vec<f32>>),
}

impl Features {
    pub(super) fn len(&self) -> usize {
        match self {
            Features::U8(values) => values.len(),
            Features::F32(values) => values.len(),
        }
    }

    /// Bytes of one value.
    #[must_use]
    pub fn element_size(&self) -> usize {
        match self {
            Features::U8(_) => 1,
            Features::F32(_) => 4,
        }
    }
}

/// What the outputs for each sample should be.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Targets {
    /// One class index a sample.
    Classes(Arc<[u32]>),
    /// `width` floats a sample, one sample after the other.
    Values {
        /// `[samples, width]`.
        values: Arc<[f32]>,
        /// Floats of one sample, at least 1.
        width: usize,
    },
}

impl Targets {
    /// `width` floats a sample.
    #[must_use]
    pub fn values(values: Vec<f32>, width: usize) -> Self {
        Targets::Values { values: values.into(), width }
    }

    /// Number of samples; `None` if the values are not a whole number of them.
    pub(super) fn len(&self) -> Option<usize> {
        match self {
            Targets::Classes(labels) => Some(labels.len()),
            Targets::Values { values, width } => {
                let whole = *width > 0 && values.len().is_multiple_of(*width);
                whole.then(|| values.len() / width)
            }
        }
    }
}

impl From<Vec<u32>> for Targets {
    fn from(labels: Vec<u32>) -> Self {
        Targets::Classes(labels.into())
    }
}

/// One of the inputs of every sample.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct InputColumn {
    /// The name of the model's input that it is for; `input` if there is only one.
    pub name: String,
    /// `[samples, width]`.
    pub features: Features,
    /// Shape of one sample.
    pub shape: Vec<usize>,
}

impl InputColumn {
    /// # Errors
    /// [`Error::Argument`] if a dimension is 0 or the product of all overflows.
    pub(super) fn new(name: &str, features: Features, shape: &[usize]) -> Result<Self> {
        let width = shape.iter().try_fold(1usize, |product, &d| product.checked_mul(d));
        if width.is_none_or(|width| width == 0) {
            let problem = format!("is {shape:?}; every dimension must be at least 1");
            return Err(Error::argument("sample_shape", problem));
        }
        Ok(InputColumn { name: name.to_owned(), features, shape: shape.to_vec() })
    }

    /// Values in one sample: the product of the shape.
    #[must_use]
    pub fn width(&self) -> usize {
        self.shape.iter().product()
    }

    /// The samples at these places alone.
    pub(super) fn select(&self, places: &[usize]) -> Self {
        let features = match &self.features {
            Features::U8(values) => Features::U8(rows(values, self.width(), places).into()),
            Features::F32(values) => Features::F32(rows(values, self.width(), places).into()),
        };
        InputColumn { features, ..self.clone() }
    }

    /// The bytes of the sample at `place`.
    pub(super) fn bytes(&self, place: usize) -> Option<&[u8]> {
        let bytes: &[u8] = match &self.features {
            Features::U8(values) => values,
            Features::F32(values) => bytemuck::cast_slice(values.as_slice()),
        };
        let size = self.width() * self.features.element_size();
        bytes.get(place * size..(place + 1) * size)
    }
}

/// One of the targets of every sample.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TargetColumn {
    /// The name of the model's output that it is for; `output` if there is only one.
    pub name: String,
    /// One a sample.
    pub targets: Targets,
}

impl TargetColumn {
    /// The targets of the samples at these places alone.
    pub(super) fn select(&self, places: &[usize]) -> Self {
        let targets = match &self.targets {
            Targets::Classes(labels) => rows(labels, 1, places).into(),
            Targets::Values { values, width } => {
                Targets::values(rows(values, *width, places), *width)
            }
        };
        TargetColumn { name: self.name.clone(), targets }
    }

    /// The bytes of the sample at `place`.
    pub(super) fn bytes(&self, place: usize) -> Option<&[u8]> {
        let (bytes, width): (&[u8], usize) = match &self.targets {
            Targets::Classes(labels) => (bytemuck::cast_slice(labels), 1),
            Targets::Values { values, width } => (bytemuck::cast_slice(values), *width),
        };
        bytes.get(4 * place * width..4 * (place + 1) * width)
    }
}

/// The rows at these places of an array of rows of `width` values, copied.
fn rows<T: Copy>(values: &[T], width: usize, places: &[usize]) -> Vec<T> {
    let rows = places.iter().filter_map(|&place| values.get(place * width..(place + 1) * width));
    rows.flatten().copied().collect()
}
