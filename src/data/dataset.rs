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

/// What the outputs for each sample should be.
#[derive(Debug, Clone)]
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
    pub fn values(values: Vec<f32>, width: usize) -> Self {
        Targets::Values { values: values.into(), width }
    }

    /// Number of samples; `None` if the values are not a whole number of them.
    fn len(&self) -> Option<usize> {
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

/// A training set and the test set that belongs to it: samples of the same shape and labels of the
/// same classes.
#[derive(Debug, Clone)]
pub struct TrainTest {
    /// What the model learns from.
    pub train: Dataset,
    /// What it is judged by.
    pub test: Dataset,
}

/// Samples of one shape, each with a target and a weight. Cloning and slicing share the data.
#[derive(Debug, Clone)]
pub struct Dataset {
    features: Features,
    targets: Targets,
    sample_shape: Vec<usize>,
    classes: usize,
    range: Range<usize>,
    weights: Option<Weights>,
}

#[derive(Debug, Clone)]
struct Weights {
    values: Arc<[f32]>,
    /// The sample that the first of them belongs to.
    start: usize,
}

/// One sample, its values as bytes: f32 and u32 in the machine's byte order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample<'a> {
    /// The input.
    pub features: &'a [u8],
    /// The class index, or the floats, that belong to it.
    pub target: &'a [u8],
    /// How much its loss counts; 1 unless given.
    pub weight: f32,
}

impl Dataset {
    /// Samples of shape `sample_shape` (`[28, 28]`, say), flattened row by row one after the
    /// other, and the targets: a `Vec<u32>` of one class index a sample, or [`Targets::values`].
    /// The number of classes is the largest label plus one.
    ///
    /// # Errors
    /// [`Error::Shape`] if the number of values is not samples x the product of the shape;
    /// [`Error::Argument`] if there is no sample or a dimension is 0.
    pub fn new(
        features: Features,
        sample_shape: &[usize],
        targets: impl Into<Targets>,
    ) -> Result<Self> {
        let targets = targets.into();
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
        let samples = targets.len().ok_or_else(|| {
            Error::argument("targets", "are not a whole number of samples of at least one value")
        })?;
        if samples == 0 {
            return Err(Error::argument("targets", "there is no sample"));
        }
        if u32::try_from(samples).is_err() {
            let problem = format!("are {samples} samples; one set holds at most 2^32 - 1");
            return Err(Error::argument("targets", problem));
        }
        if samples.checked_mul(width) != Some(features.len()) {
            return Err(Error::Shape {
                what: "features".into(),
                actual: format!("{} values", features.len()),
                expected: format!("{samples} samples of {width} values"),
            });
        }
        let classes = match &targets {
            Targets::Classes(labels) => labels.iter().max().map_or(0, |&label| label as usize + 1),
            Targets::Values { .. } => 0,
        };
        Ok(Dataset {
            features,
            targets,
            sample_shape: sample_shape.to_vec(),
            classes,
            range: 0..samples,
            weights: None,
        })
    }

    /// The same samples, each with a weight by which its loss and gradient are multiplied.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is not one for each sample, [`Error::Argument`] if one is not
    /// finite.
    pub fn with_sample_weights(self, weights: Vec<f32>) -> Result<Dataset> {
        if weights.len() != self.len() {
            return Err(Error::Shape {
                what: "sample_weight".into(),
                actual: format!("{} weights", weights.len()),
                expected: format!("{}, one a sample", self.len()),
            });
        }
        if let Some((sample, weight)) =
            weights.iter().enumerate().find(|(_, weight)| !weight.is_finite())
        {
            let problem = format!("of sample {sample} is {weight}; give finite numbers");
            return Err(Error::argument("sample_weight", problem));
        }
        let weights = Weights { values: weights.into(), start: self.range.start };
        Ok(Dataset { weights: Some(weights), ..self })
    }

    /// The same samples, each weighted by its class: `(class, weight)`, classes that are not named
    /// count 1. With floats as targets, the class is the largest of several, or the nearest whole
    /// number to a single one, as in Keras.
    ///
    /// # Errors
    /// [`Error::Argument`] if there are sample weights already or a weight is not finite.
    pub fn with_class_weights(self, weights: &[(u32, f32)]) -> Result<Dataset> {
        if self.weights.is_some() {
            let problem = "is given together with sample_weight; give one of them";
            return Err(Error::argument("class_weight", problem));
        }
        if let Some((class, weight)) = weights.iter().find(|(_, weight)| !weight.is_finite()) {
            let problem = format!("of class {class} is {weight}; give finite numbers");
            return Err(Error::argument("class_weight", problem));
        }
        let of = |class: u32| weights.iter().find(|(c, _)| *c == class).map_or(1.0, |(_, w)| *w);
        let weights: Vec<f32> = match &self.targets {
            Targets::Classes(_) => self.labels().iter().map(|&label| of(label)).collect(),
            Targets::Values { values, width } => {
                let rows = values.chunks_exact(*width).skip(self.range.start).take(self.len());
                rows.map(|row| class_of(row).map_or(1.0, of)).collect()
            }
        };
        self.with_sample_weights(weights)
    }

    /// True if each sample has a weight of its own.
    pub fn has_sample_weights(&self) -> bool {
        self.weights.is_some()
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

    /// The kind of targets.
    pub fn targets(&self) -> &Targets {
        &self.targets
    }

    /// The class indices of the samples, in their order; none if the targets are floats.
    pub fn labels(&self) -> &[u32] {
        match &self.targets {
            Targets::Classes(labels) => labels.get(self.range.clone()).unwrap_or_default(),
            Targets::Values { .. } => &[],
        }
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

    /// Sample `index`.
    ///
    /// # Errors
    /// [`Error::Argument`] if there is no such sample.
    pub fn sample(&self, index: usize) -> Result<Sample<'_>> {
        self.find(index).ok_or_else(|| {
            Error::argument(
                "index",
                format!("sample {index} of a set of {} was asked for", self.len()),
            )
        })
    }

    fn find(&self, index: usize) -> Option<Sample<'_>> {
        let features: &[u8] = match &self.features {
            Features::U8(values) => values,
            Features::F32(values) => bytemuck::cast_slice(values.as_slice()),
        };
        let (targets, width): (&[u8], usize) = match &self.targets {
            Targets::Classes(labels) => (bytemuck::cast_slice(labels), 1),
            Targets::Values { values, width } => (bytemuck::cast_slice(values), *width),
        };
        let place = self.range.start.checked_add(index).filter(|&place| place < self.range.end)?;
        let part = |size: usize| place * size..(place + 1) * size;
        let size = self.width() * self.features.element_size();
        let weight = match &self.weights {
            Some(Weights { values, start }) => *values.get(place.checked_sub(*start)?)?,
            None => 1.0,
        };
        Some(Sample {
            features: features.get(part(size))?,
            target: targets.get(part(4 * width))?,
            weight,
        })
    }
}

/// The class that floats stand for; `None` if it is none.
fn class_of(row: &[f32]) -> Option<u32> {
    match row {
        [single] => {
            let class = single.round_ties_even();
            (0.0..4_294_967_296.0).contains(&class).then_some(class as u32)
        }
        row => {
            let mut best = 0;
            for (i, value) in row.iter().enumerate() {
                if row.get(best).is_some_and(|largest| value > largest) {
                    best = i;
                }
            }
            Some(best as u32)
        }
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

    /// The samples, in the order of the indices.
    pub fn samples(&self) -> impl Iterator<Item = Result<Sample<'a>>> {
        let data = self.data;
        self.indices.iter().map(move |&index| data.sample(index as usize))
    }
}
