//! Samples and their labels in memory.

use std::ops::Range;
use std::sync::Arc;

use crate::error::{Error, Result};

/// The values of all samples, one sample after the other.
#[derive(Debug, Clone)]
pub enum Features {
    /// Bytes (pixels): they stay bytes until the device makes them floats.
    U8(Arc<Vec<u8>>),
    /// Floats, used as they are.
    F32(Arc<Vec<f32>>),
}

impl Features {
    fn len(&self) -> usize {
        match self {
            Features::U8(values) => values.len(),
            Features::F32(values) => values.len(),
        }
    }

    /// Bytes of one value.
    pub fn element_size(&self) -> usize {
        match self {
            Features::U8(_) => 1,
            Features::F32(_) => 4,
        }
    }
}

/// A training set and the test set that belongs to it: samples of the same shape and labels of the
/// same classes.
#[derive(Debug, Clone)]
pub struct TrainTest {
    /// What the model learns from.
    pub train: Dataset,
    /// What it is judged by.
    pub test: Dataset,
}

/// Samples of one shape, each with a class index as its label. Cloning and slicing share the data.
#[derive(Debug, Clone)]
pub struct Dataset {
    features: Features,
    labels: Arc<[u32]>,
    sample_shape: Vec<usize>,
    classes: usize,
    range: Range<usize>,
}

impl Dataset {
    /// Samples of shape `sample_shape` (`[28, 28]`, say), flattened row by row one after the
    /// other, and one class index a sample. The number of classes is the largest label plus one.
    ///
    /// # Errors
    /// [`Error::Shape`] if the number of values is not samples x the product of the shape;
    /// [`Error::Argument`] if there is no sample or a dimension is 0.
    pub fn new(features: Features, sample_shape: &[usize], labels: Vec<u32>) -> Result<Self> {
        let width = sample_shape
            .iter()
            .try_fold(1usize, |product, &d| product.checked_mul(d))
            .filter(|&width| width > 0)
            .ok_or_else(|| {
                Error::argument(
                    "sample_shape",
                    format!("is {sample_shape:?}; every dimension must be at least 1"),
                )
            })?;
        if labels.is_empty() {
            return Err(Error::argument("labels", "there is no sample"));
        }
        if u32::try_from(labels.len()).is_err() {
            let problem = format!("are {} samples; one set holds at most 2^32 - 1", labels.len());
            return Err(Error::argument("labels", problem));
        }
        if labels.len().checked_mul(width) != Some(features.len()) {
            return Err(Error::Shape {
                what: "features".into(),
                actual: format!("{} values", features.len()),
                expected: format!("{} samples of {width} values", labels.len()),
            });
        }
        let classes = labels.iter().max().map_or(0, |&label| label as usize + 1);
        let range = 0..labels.len();
        Ok(Dataset {
            features,
            labels: labels.into(),
            sample_shape: sample_shape.to_vec(),
            classes,
            range,
        })
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// True if there is no sample, as in an empty [`slice`](Self::slice).
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// Shape of one sample.
    pub fn sample_shape(&self) -> &[usize] {
        &self.sample_shape
    }

    /// Values in one sample: the product of [`sample_shape`](Self::sample_shape).
    pub fn width(&self) -> usize {
        self.sample_shape.iter().product()
    }

    /// The same samples, sharing the data, with `classes` classes: a test set takes the number of
    /// its training set, whether or not every class occurs in it.
    ///
    /// # Errors
    /// [`Error::Label`] if a label is not less than `classes`.
    pub fn with_classes(self, classes: usize) -> Result<Dataset> {
        match self.labels().iter().zip(0..).find(|&(&label, _)| label as usize >= classes) {
            Some((&label, sample)) => Err(Error::Label { label, sample, classes }),
            None => Ok(Dataset { classes, ..self }),
        }
    }

    /// Number of classes: that of [`with_classes`](Self::with_classes), else the largest label of
    /// the whole (unsliced) set, plus one.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The kind of values.
    pub fn features(&self) -> &Features {
        &self.features
    }

    /// The labels of the samples, in their order.
    pub fn labels(&self) -> &[u32] {
        self.labels.get(self.range.clone()).unwrap_or_default()
    }

    /// The samples `range`, sharing the data.
    ///
    /// # Errors
    /// [`Error::Argument`] if the range goes beyond the end.
    pub fn slice(&self, range: Range<usize>) -> Result<Dataset> {
        if range.start > range.end || range.end > self.len() {
            return Err(Error::argument(
                "range",
                format!("{range:?} is not within the {} samples", self.len()),
            ));
        }
        let range = self.range.start + range.start..self.range.start + range.end;
        Ok(Dataset { range, ..self.clone() })
    }

    /// Cuts off the last `fraction` for validation: `(training, validation)`, cut at
    /// `floor(n * (1 - fraction))` and before any shuffling, as Keras'
    /// [`validation_split`](https://keras.io/api/models/model_training_apis/) does.
    ///
    /// # Errors
    /// [`Error::Argument`] if `fraction` is not in `(0, 1)` or leaves one side empty.
    pub fn split_last(&self, fraction: f64) -> Result<(Dataset, Dataset)> {
        let cut = (self.len() as f64 * (1.0 - fraction)).floor() as usize;
        if !(fraction > 0.0 && fraction < 1.0) || cut == 0 || cut == self.len() {
            return Err(Error::argument(
                "validation_split",
                format!(
                    "is {fraction}, which of {} samples leaves none for training or none for \
                     validation; give a fraction between 0 and 1 that leaves some for both",
                    self.len()
                ),
            ));
        }
        Ok((self.slice(0..cut)?, self.slice(cut..self.len())?))
    }

    /// The values of sample `index` as bytes (f32 in the machine's byte order), and its label.
    ///
    /// # Errors
    /// [`Error::Argument`] if there is no such sample.
    pub fn sample(&self, index: usize) -> Result<(&[u8], u32)> {
        let bytes: &[u8] = match &self.features {
            Features::U8(values) => values,
            Features::F32(values) => bytemuck::cast_slice(values.as_slice()),
        };
        let size = self.width() * self.features.element_size();
        let place = self.range.start.saturating_add(index);
        (place < self.range.end)
            .then(|| Some((bytes.get(place * size..(place + 1) * size)?, *self.labels.get(place)?)))
            .flatten()
            .ok_or_else(|| {
                Error::argument(
                    "index",
                    format!("sample {index} of a set of {} was asked for", self.len()),
                )
            })
    }
}

/// The samples of one step.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// Where they are.
    pub data: &'a Dataset,
    /// Which they are.
    pub indices: &'a [u32],
}

impl<'a> Batch<'a> {
    /// Number of samples.
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// True if there is no sample.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// Each sample's bytes and label, as [`Dataset::sample`].
    pub fn samples(&self) -> impl Iterator<Item = Result<(&'a [u8], u32)>> {
        let data = self.data;
        self.indices.iter().map(move |&index| data.sample(index as usize))
    }
}
