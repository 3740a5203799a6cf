//! Samples in memory: their inputs, targets and weights.

use std::ops::Range;
use std::sync::Arc;

use super::batch::Sample;
use super::column::{Features, InputColumn, TargetColumn, Targets};
use crate::error::{Error, Result};

/// A training set and the test set that belongs to it: samples of the same shape and labels of the
/// same classes.
#[derive(Debug, Clone)]
pub struct TrainTest {
    /// What the model learns from.
    pub train: Dataset,
    /// What it is tested on.
    pub test: Dataset,
}

/// Samples, each with its inputs, its targets and a weight. Cloning and slicing share the data.
#[derive(Debug, Clone)]
pub struct Dataset {
    inputs: Arc<[InputColumn]>,
    targets: Arc<[TargetColumn]>,
    classes: usize,
    range: Range<usize>,
    weights: Option<Weights>,
    /// Those of single targets, by the target's name.
    target_weights: Arc<[(String, Weights)]>,
}

#[derive(Debug, Clone)]
struct Weights {
    values: Arc<[f32]>,
    /// The sample that the first of them belongs to.
    start: usize,
}

/// The name of a set's only input.
const INPUT: &str = "input";
/// The name of a set's only target.
const TARGET: &str = "output";

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
        Self::named([(INPUT, features, sample_shape)], [(TARGET, targets.into())])
    }

    /// Samples without targets, to predict from.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn unlabelled(features: Features, sample_shape: &[usize]) -> Result<Self> {
        Self::named([(INPUT, features, sample_shape)], [])
    }

    /// Samples of several inputs and targets for a [`Functional`](crate::Functional) model, each
    /// under the name that it has there.
    ///
    /// # Errors
    /// As [`new`](Self::new); also [`Error::Argument`] if a name occurs twice or there is no
    /// input, [`Error::Shape`] if two of them are not of as many samples.
    pub fn named<'a>(
        inputs: impl IntoIterator<Item = (&'a str, Features, &'a [usize])>,
        targets: impl IntoIterator<Item = (&'a str, Targets)>,
    ) -> Result<Self> {
        let inputs = inputs
            .into_iter()
            .map(|(name, features, shape)| InputColumn::new(name, features, shape))
            .collect::<Result<Arc<[_]>>>()?;
        let targets: Arc<[_]> = targets
            .into_iter()
            .map(|(name, targets)| TargetColumn { name: name.to_owned(), targets })
            .collect();
        let names = inputs.iter().map(|input| ("input", &input.name));
        let mut names: Vec<_> =
            names.chain(targets.iter().map(|target| ("target", &target.name))).collect();
        names.sort_unstable();
        if let Some(&[(kind, name), _]) = names.windows(2).find(|pair| pair.first() == pair.last())
        {
            return Err(Error::argument("data", format!("has two {kind}s called {name:?}")));
        }
        let samples = samples(&inputs, &targets)?;
        for InputColumn { name, features, shape } in inputs.iter() {
            let width: usize = shape.iter().product();
            if features.samples(width) != Some(samples) {
                return Err(Error::Shape {
                    what: if name == INPUT { "features".into() } else { format!("input {name}") },
                    actual: features.describe(),
                    expected: format!("{samples} samples of {width} values"),
                });
            }
        }
        let classes = targets.iter().find_map(|target| match &target.targets {
            Targets::Classes(labels) => {
                labels.iter().max().map(|&label| (label as usize).saturating_add(1))
            }
            Targets::Values { .. } => None,
        });
        let classes = classes.unwrap_or(0);
        Ok(Dataset {
            inputs,
            targets,
            classes,
            range: 0..samples,
            weights: None,
            target_weights: Arc::new([]),
        })
    }

    /// The same samples with the inputs and targets of these names, in this order; others are left
    /// out. Where there is only one and one is asked for, its name does not matter.
    ///
    /// # Errors
    /// [`Error::Argument`] if one is not there, with the names of those that are.
    pub fn arranged(&self, inputs: &[&str], targets: &[&str]) -> Result<Self> {
        let inputs = arranged("input", &self.inputs, inputs, |input| &input.name)?;
        let targets = arranged("target", &self.targets, targets, |target| &target.name)?;
        Ok(Dataset { inputs, targets, ..self.clone() })
    }

    /// The same samples, each with a weight by which its loss and gradient are multiplied.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is not one for each sample, [`Error::Argument`] if one is not
    /// finite.
    pub fn with_sample_weights(self, weights: Vec<f32>) -> Result<Dataset> {
        let weights = Some(self.checked(weights)?);
        Ok(Dataset { weights, ..self })
    }

    /// The same samples, each with a weight for its target called `target`, in place of that of
    /// [`with_sample_weights`](Self::with_sample_weights). If there is only one target, its name
    /// does not matter.
    ///
    /// # Errors
    /// As `with_sample_weights`; [`Error::Argument`] if there is no such target.
    pub fn with_target_weights(self, target: &str, weights: Vec<f32>) -> Result<Dataset> {
        let targets = Arc::clone(&self.targets);
        let target = match &*targets {
            [only] => only.name.as_str(),
            _ => target,
        };
        if !targets.iter().any(|column| column.name == target) {
            let names: Vec<&str> = self.targets.iter().map(|target| target.name.as_str()).collect();
            let problem = format!("is for {target:?}; the targets are {}", names.join(", "));
            return Err(Error::argument("sample_weight", problem));
        }
        let weights = self.checked(weights)?;
        let others = self.target_weights.iter().filter(|(name, _)| name != target).cloned();
        let target_weights = others.chain([(target.to_owned(), weights)]).collect();
        Ok(Dataset { target_weights, ..self })
    }

    /// One finite weight for each sample.
    fn checked(&self, weights: Vec<f32>) -> Result<Weights> {
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
        Ok(Weights { values: weights.into(), start: self.range.start })
    }

    /// The same samples, each weighted by its class: `(class, weight)`, classes that are not named
    /// count 1. With floats as targets, the class is the largest of several, or the nearest whole
    /// number to a single one, as in Keras.
    ///
    /// # Errors
    /// [`Error::Argument`] if there are sample weights already, a weight is not finite, or there is
    /// not exactly one target.
    pub fn with_class_weights(self, weights: &[(u32, f32)]) -> Result<Dataset> {
        if self.has_sample_weights() {
            let problem = "is given together with sample_weight; give one of them";
            return Err(Error::argument("class_weight", problem));
        }
        if let Some((class, weight)) = weights.iter().find(|(_, weight)| !weight.is_finite()) {
            let problem = format!("of class {class} is {weight}; give finite numbers");
            return Err(Error::argument("class_weight", problem));
        }
        let of = |class: u32| weights.iter().find(|(c, _)| *c == class).map_or(1.0, |(_, w)| *w);
        let [target] = &*self.targets else {
            let problem = format!(
                "is given with {} targets; it takes one target a sample, give sample_weight",
                self.targets.len()
            );
            return Err(Error::argument("class_weight", problem));
        };
        let weights: Vec<f32> = match &target.targets {
            Targets::Classes(_) => self.labels().iter().map(|&label| of(label)).collect(),
            Targets::Values { values, width } => {
                let rows = values.chunks_exact(*width).skip(self.range.start).take(self.len());
                rows.map(|row| class_of(row.iter().copied()).map_or(1.0, of)).collect()
            }
        };
        self.with_sample_weights(weights)
    }

    /// True if each sample has a weight of its own.
    #[must_use]
    pub fn has_sample_weights(&self) -> bool {
        self.weights.is_some() || !self.target_weights.is_empty()
    }

    /// Number of samples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// True if there is no sample, as in an empty [`slice`](Self::slice).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// Shape of one sample, in its first input.
    #[must_use]
    pub fn sample_shape(&self) -> &[usize] {
        self.inputs.first().map_or(&[], |input| &input.shape)
    }

    /// Values in one sample's first input: the product of [`sample_shape`](Self::sample_shape).
    #[must_use]
    pub fn width(&self) -> usize {
        self.sample_shape().iter().product()
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
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The inputs of the whole, unsliced set; at least one.
    #[must_use]
    pub fn inputs(&self) -> &[InputColumn] {
        &self.inputs
    }

    /// The targets of the whole, unsliced set.
    #[must_use]
    pub fn targets(&self) -> &[TargetColumn] {
        &self.targets
    }

    /// The class indices of the samples, in their order: those of the first target that has some,
    /// else none.
    #[must_use]
    pub fn labels(&self) -> &[u32] {
        let mut columns = 0..self.targets.len();
        let labels = columns.find_map(|column| self.labels_of(column));
        labels.unwrap_or_default()
    }

    /// The class indices in target `column`; `None` if it has floats or is not there.
    #[must_use]
    pub fn labels_of(&self, column: usize) -> Option<&[u32]> {
        match &self.targets.get(column)?.targets {
            Targets::Classes(labels) => labels.get(self.range.clone()),
            Targets::Values { .. } => None,
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

    /// The samples of these numbers, in this order, copied with their targets and weights.
    ///
    /// # Errors
    /// [`Error::Argument`] if one of them is not there.
    pub fn select(&self, indices: &[u32]) -> Result<Dataset> {
        let places = indices.iter().map(|&index| Ok(self.sample(index as usize)?.place));
        let places = &places.collect::<Result<Vec<usize>>>()?;
        let own = self.target_weights.iter();
        Ok(Dataset {
            inputs: self.inputs.iter().map(|input| input.select(places)).collect(),
            targets: self.targets.iter().map(|target| target.select(places)).collect(),
            classes: self.classes,
            range: 0..places.len(),
            weights: self.weights.as_ref().map(|weights| weights.select(places)),
            target_weights: own.map(|(name, own)| (name.clone(), own.select(places))).collect(),
        })
    }

    /// Cuts off the last `fraction` for validation: `(training, validation)`, cut at
    /// `floor(n * (1 - fraction))` and before any shuffling, as Keras'
    /// [`validation_split`](https://keras.io/api/models/model_training_apis/) does.
    ///
    /// # Errors
    /// [`Error::Argument`] if `fraction` is not in `(0, 1)` or leaves one side empty.
    pub fn split_last(&self, fraction: f64) -> Result<(Dataset, Dataset)> {
        let cut = cut_last(self.len(), fraction)?;
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
        let place = self.range.start.checked_add(index).filter(|&place| place < self.range.end)?;
        Some(Sample { data: self, place })
    }

    /// Whether there are weights, of all targets or of one.
    pub(crate) fn is_weighted(&self) -> bool {
        self.weights.is_some() || !self.target_weights.is_empty()
    }

    /// The weight for target `column` of the sample at `place` in the whole set.
    pub(super) fn weight(&self, column: usize, place: usize) -> f32 {
        let name = self.targets.get(column).map(|target| &target.name);
        let own = self.target_weights.iter().find(|(target, _)| Some(target) == name);
        let weights = own.map(|(_, weights)| weights).or(self.weights.as_ref());
        weights.map_or(1.0, |weights| weights.at(place))
    }
}

impl Weights {
    /// That of the sample at `place` in the whole set; 1 if it has none.
    fn at(&self, place: usize) -> f32 {
        let index = place.checked_sub(self.start);
        index.and_then(|index| self.values.get(index).copied()).unwrap_or(1.0)
    }

    /// Those of the samples at these places.
    fn select(&self, places: &[usize]) -> Weights {
        Weights { values: places.iter().map(|&place| self.at(place)).collect(), start: 0 }
    }
}

/// The number of samples, which all targets must agree on.
fn samples(inputs: &[InputColumn], targets: &[TargetColumn]) -> Result<usize> {
    let Some(first) = inputs.first() else {
        return Err(Error::argument("data", "has no input; give at least one"));
    };
    let mut samples = None;
    for TargetColumn { name, targets } in targets {
        let own = targets.len().ok_or_else(|| {
            Error::argument("targets", "are not a whole number of samples of at least one value")
        })?;
        if samples.is_some_and(|samples| samples != own) {
            return Err(Error::Shape {
                what: format!("target {name}"),
                actual: format!("{own} samples"),
                expected: format!("{}, as in the first target", samples.unwrap_or(0)),
            });
        }
        samples = Some(own);
    }
    let (features, width) = (&first.features, first.width());
    // A part of a sample is refused where the features are.
    let samples = samples.or_else(|| features.samples(width)).unwrap_or(features.len() / width);
    match samples {
        0 => Err(Error::argument("targets", "there is no sample")),
        samples if u32::try_from(samples).is_err() => {
            let problem = format!("are {samples} samples; one set holds at most 2^32 - 1");
            Err(Error::argument("targets", problem))
        }
        samples => Ok(samples),
    }
}

/// The columns called `names`, in that order.
fn arranged<C: Clone>(
    kind: &str,
    columns: &Arc<[C]>,
    names: &[&str],
    name_of: impl Fn(&C) -> &String,
) -> Result<Arc<[C]>> {
    if columns.len() == names.len() && (names.len() == 1 || columns.iter().map(&name_of).eq(names))
    {
        return Ok(Arc::clone(columns));
    }
    let find = |&name: &&str| {
        columns.iter().find(|column| name_of(column) == name).cloned().ok_or_else(|| {
            let there: Vec<&str> = columns.iter().map(|column| name_of(column).as_str()).collect();
            let there = if there.is_empty() { "none".into() } else { there.join(", ") };
            Error::argument(
                "data",
                format!("has no {kind} called {name:?}, which the model needs; there is {there}"),
            )
        })
    };
    names.iter().map(find).collect()
}

/// Where to cut off the last `fraction` of so many samples.
///
/// # Errors
/// [`Error::Argument`] if `fraction` is not in `(0, 1)` or leaves one side empty.
pub(super) fn cut_last(samples: usize, fraction: f64) -> Result<usize> {
    let cut = (samples as f64 * (1.0 - fraction)).floor() as usize;
    if fraction > 0.0 && fraction < 1.0 && (1..samples).contains(&cut) {
        return Ok(cut);
    }
    let problem = format!(
        "is {fraction}, which of {samples} samples leaves none for training or none for \
         validation; give a fraction between 0 and 1 that leaves some for both"
    );
    Err(Error::argument("validation_split", problem))
}

/// The class that floats stand for; `None` if it is none.
pub(crate) fn class_of(row: impl ExactSizeIterator<Item = f32>) -> Option<u32> {
    let single = row.len() == 1;
    let mut largest = (0, f32::NAN);
    for (place, value) in row.enumerate() {
        if place == 0 || value > largest.1 {
            largest = (place, value);
        }
    }
    if !single {
        return Some(largest.0 as u32);
    }
    let class = largest.1.round_ties_even();
    (0.0..4_294_967_296.0).contains(&class).then_some(class as u32)
}
