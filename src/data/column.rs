//! One input or one target of all samples, as one array.

use std::sync::Arc;

use half::f16;

use super::samples::Row;
use super::sparse::SparseMatrix;
use crate::error::{Error, Result};

/// The values of all samples, one sample after the other.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Features {
    /// Bytes (pixels): they stay bytes until the device makes them floats.
    U8(Arc<Vec<u8>>),
    /// Floats of 16 bits; a batch of them becomes f32 when it is filled.
    F16(Arc<Vec<f16>>),
    /// Integers below 2^24, which f32 holds exactly; a batch of them becomes f32 when it is filled.
    U32(Arc<Vec<u32>>),
    /// Floats, used as they are.
    F32(Arc<Vec<f32>>),
    /// Floats of which only those that are not 0 are stored.
    Sparse(SparseMatrix),
}

/// Owned values, and those that are shared.
macro_rules! from_values {
    ($($variant:ident of $value:ty),*) => {
        $(
            impl From<Vec<$value>> for Features {
                fn from(values: Vec<$value>) -> Self {
                    Features::$variant(Arc::new(values))
                }
            }

            impl From<Arc<Vec<$value>>> for Features {
                fn from(values: Arc<Vec<$value>>) -> Self {
                    Features::$variant(values)
                }
            }
        )*
    };
}

from_values!(U8 of u8, F16 of f16, U32 of u32, F32 of f32);

impl Features {
    /// Samples of `width` values; `None` if they are not a whole number of them.
    pub(super) fn samples(&self, width: usize) -> Option<usize> {
        match self {
            Features::Sparse(matrix) => (matrix.width() == width).then(|| matrix.len()),
            Features::U8(_) | Features::F16(_) | Features::U32(_) | Features::F32(_) => {
                let whole = width > 0 && self.len().is_multiple_of(width);
                whole.then(|| self.len() / width)
            }
        }
    }

    /// Values, those that are 0 and not stored included.
    pub(super) fn len(&self) -> usize {
        match self {
            Features::U8(values) => values.len(),
            Features::F16(values) => values.len(),
            Features::U32(values) => values.len(),
            Features::F32(values) => values.len(),
            Features::Sparse(matrix) => matrix.len().saturating_mul(matrix.width()),
        }
    }

    /// How many values of what kind there are.
    pub(super) fn describe(&self) -> String {
        match self {
            Features::U8(_) | Features::F16(_) | Features::U32(_) | Features::F32(_) => {
                format!("{} values", self.len())
            }
            Features::Sparse(matrix) => {
                format!("{} sparse rows of {} values", matrix.len(), matrix.width())
            }
        }
    }

    /// Bytes of one value.
    #[must_use]
    pub fn element_size(&self) -> usize {
        match self {
            Features::U8(_) => 1,
            Features::F16(_) => 2,
            Features::U32(_) | Features::F32(_) | Features::Sparse(_) => 4,
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
            Features::F16(values) => Features::F16(rows(values, self.width(), places).into()),
            Features::U32(values) => Features::U32(rows(values, self.width(), places).into()),
            Features::F32(values) => Features::F32(rows(values, self.width(), places).into()),
            Features::Sparse(matrix) => Features::Sparse(matrix.select(places)),
        };
        InputColumn { features, ..self.clone() }
    }

    /// The values of the sample at `place`.
    pub(super) fn row(&self, place: usize) -> Option<Row<'_>> {
        let bytes: &[u8] = match &self.features {
            Features::U8(values) => values,
            Features::F16(values) => {
                use half::slice::HalfFloatSliceExt;
                bytemuck::cast_slice(values.as_slice().reinterpret_cast())
            }
            Features::U32(values) => bytemuck::cast_slice(values.as_slice()),
            Features::F32(values) => bytemuck::cast_slice(values.as_slice()),
            Features::Sparse(matrix) => {
                let (indices, values) = matrix.row(place);
                return Some(Row::Sparse { indices, values });
            }
        };
        let size = self.width() * self.features.element_size();
        bytes.get(place * size..(place + 1) * size).map(Row::Dense)
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
