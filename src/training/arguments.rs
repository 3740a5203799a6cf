//! The optional arguments of fit, evaluate and predict.

use super::callback::Callback;
use super::verbose::Verbose;
use crate::data::{Dataset, Shuffle};
use crate::error::{Error, Result};

/// After which epochs [`fit`](super::Model::fit) validates: of a number, each so many epochs; of a
/// list, those in it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValidationFreq {
    /// After the epochs whose number is a multiple of this.
    Every(u32),
    /// After the epochs of these numbers, from 1; numbers that the run does not reach have no effect.
    Epochs(Vec<u32>),
}

impl From<u32> for ValidationFreq {
    fn from(epochs: u32) -> Self {
        ValidationFreq::Every(epochs)
    }
}

impl From<Vec<u32>> for ValidationFreq {
    fn from(epochs: Vec<u32>) -> Self {
        ValidationFreq::Epochs(epochs)
    }
}

impl<const N: usize> From<[u32; N]> for ValidationFreq {
    fn from(epochs: [u32; N]) -> Self {
        ValidationFreq::Epochs(epochs.into())
    }
}

impl ValidationFreq {
    pub(super) fn includes(&self, epoch: u32) -> bool {
        match self {
            ValidationFreq::Every(epochs) => epoch.is_multiple_of(*epochs),
            ValidationFreq::Epochs(epochs) => epochs.contains(&epoch),
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        let problem = match self {
            ValidationFreq::Every(0) => "is 0; give at least 1",
            ValidationFreq::Epochs(epochs) if epochs.is_empty() => {
                "is an empty list; name at least one epoch"
            }
            ValidationFreq::Epochs(epochs) if epochs.contains(&0) => {
                "has an epoch 0; they are counted from 1"
            }
            ValidationFreq::Every(_) | ValidationFreq::Epochs(_) => return Ok(()),
        };
        Err(Error::argument("validation_freq", problem))
    }
}

/// Arguments of [`Model::fit`](super::Model::fit), by
/// [Keras' names](https://keras.io/api/models/model_training_apis/#fit-method).
pub struct Fit<'a> {
    pub(super) batch_size: usize,
    pub(super) epochs: u32,
    pub(super) initial_epoch: u32,
    pub(super) shuffle: Shuffle,
    pub(super) validation_split: f64,
    pub(super) validation_data: Option<&'a Dataset>,
    pub(super) validation_steps: Option<usize>,
    pub(super) validation_batch_size: Option<usize>,
    pub(super) validation_freq: Option<ValidationFreq>,
    pub(super) steps_per_epoch: Option<usize>,
    pub(super) sample_weight: Option<Vec<f32>>,
    pub(super) target_weight: Vec<(String, Vec<f32>)>,
    pub(super) class_weight: Vec<(u32, f32)>,
    pub(super) callbacks: Vec<&'a mut dyn Callback>,
    pub(super) verbose: Verbose,
}

impl Default for Fit<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Fit<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fit")
            .field("batch_size", &self.batch_size)
            .field("epochs", &self.epochs)
            .finish_non_exhaustive()
    }
}

impl<'a> Fit<'a> {
    /// One epoch of shuffled batches of 32 samples, nothing held out.
    pub fn new() -> Self {
        Fit {
            batch_size: 32,
            epochs: 1,
            initial_epoch: 0,
            shuffle: Shuffle::Full,
            validation_split: 0.0,
            validation_data: None,
            validation_steps: None,
            validation_batch_size: None,
            validation_freq: None,
            steps_per_epoch: None,
            sample_weight: None,
            target_weight: Vec::new(),
            class_weight: Vec::new(),
            callbacks: Vec::new(),
            verbose: Verbose::Silent,
        }
    }

    /// Samples a step, at least 1; the last batch of an epoch may be smaller. 32 by default.
    pub fn batch_size(mut self, batch_size: usize) -> Self {
        self.batch_size = batch_size;
        self
    }

    /// Passes over the data, at least 1; 1 by default. With `initial_epoch`, the number of the
    /// last one, as in Keras.
    pub fn epochs(mut self, epochs: u32) -> Self {
        self.epochs = epochs;
        self
    }

    /// Counts so many epochs as done, less than `epochs`: those from `initial_epoch + 1` to
    /// `epochs` run. 0 by default.
    ///
    /// The order of an epoch's samples is a function of the model's seed and of how many epochs
    /// the model has been trained before. `initial_epoch`, if it is not 0, sets that count: so 3
    /// epochs are, bit for bit, 2 epochs and then `initial_epoch(2).epochs(3)`, and a run is taken
    /// up again with a model from a file. Without it, the count goes on over several calls of
    /// `fit`, and every epoch has an order of its own.
    pub fn initial_epoch(mut self, initial_epoch: u32) -> Self {
        self.initial_epoch = initial_epoch;
        self
    }

    /// The order of the samples; a new permutation each epoch by default.
    pub fn shuffle(mut self, shuffle: Shuffle) -> Self {
        self.shuffle = shuffle;
        self
    }

    /// Holds out this last fraction of the samples, cut before shuffling, and evaluates on it
    /// after each epoch; 0 by default.
    pub fn validation_split(mut self, fraction: f64) -> Self {
        self.validation_split = fraction;
        self
    }

    /// Evaluates on these samples after each epoch; not together with `validation_split`.
    pub fn validation_data(mut self, data: &'a Dataset) -> Self {
        self.validation_data = Some(data);
        self
    }

    /// Validates on so many batches only, always the first ones; at most as many as there are. All
    /// by default.
    pub fn validation_steps(mut self, steps: usize) -> Self {
        self.validation_steps = Some(steps);
        self
    }

    /// Samples a step of the validation, at least 1; `batch_size` by default.
    pub fn validation_batch_size(mut self, batch_size: usize) -> Self {
        self.validation_batch_size = Some(batch_size);
        self
    }

    /// Validates every so many epochs (`2`) or after these (`[1, 2, 10]`, numbers from 1); after
    /// each by default.
    pub fn validation_freq(mut self, epochs: impl Into<ValidationFreq>) -> Self {
        self.validation_freq = Some(epochs.into());
        self
    }

    /// Ends each epoch after so many steps. If the data holds more batches, the rest is not seen
    /// in that epoch; if it holds fewer, it is an error. `ceil(samples / batch_size)` by default.
    pub fn steps_per_epoch(mut self, steps: usize) -> Self {
        self.steps_per_epoch = Some(steps);
        self
    }

    /// A weight for each sample, in the order of the data, by which its loss and its gradient are
    /// multiplied. A validation split takes its own along. In place of those of
    /// [`Dataset::with_sample_weights`].
    pub fn sample_weight(mut self, weights: impl Into<Vec<f32>>) -> Self {
        self.sample_weight = Some(weights.into());
        self
    }

    /// A weight for each sample's target called `target`, where the model has several outputs; in
    /// place of that of [`sample_weight`](Self::sample_weight) for this one.
    pub fn target_weight(mut self, target: &str, weights: impl Into<Vec<f32>>) -> Self {
        self.target_weight.push((target.to_owned(), weights.into()));
        self
    }

    /// A weight for the samples of each class, `(class, weight)`; 1 for those that are not named.
    /// Counts in training only, and not together with sample weights.
    pub fn class_weight(mut self, weights: impl Into<Vec<(u32, f32)>>) -> Self {
        self.class_weight = weights.into();
        self
    }

    /// Adds a callback, whose hooks are called during training, in the order in which they were added.
    pub fn callback(mut self, callback: &'a mut dyn Callback) -> Self {
        self.callbacks.push(callback);
        self
    }

    /// Shows on standard output how the epochs go, by a
    /// [`ProgressBar`](super::callbacks::ProgressBar); nothing by default.
    pub fn verbose(mut self, verbose: Verbose) -> Self {
        self.verbose = verbose;
        self
    }
}

/// Arguments of [`Model::evaluate`](super::Model::evaluate).
pub struct Evaluate<'a> {
    pub(super) batch_size: usize,
    pub(super) sample_weight: Option<Vec<f32>>,
    pub(super) steps: Option<usize>,
    pub(super) callbacks: Vec<&'a mut dyn Callback>,
    pub(super) verbose: Verbose,
}

impl Default for Evaluate<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Evaluate<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Evaluate")
            .field("batch_size", &self.batch_size)
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}

impl<'a> Evaluate<'a> {
    /// All samples, in batches of 32.
    pub fn new() -> Self {
        Evaluate {
            batch_size: 32,
            sample_weight: None,
            steps: None,
            callbacks: Vec::new(),
            verbose: Verbose::Silent,
        }
    }

    /// Samples a step, at least 1; 32 by default.
    pub fn batch_size(mut self, batch_size: usize) -> Self {
        self.batch_size = batch_size;
        self
    }

    /// A weight for each sample, by which its loss is multiplied; in place of those of
    /// [`Dataset::with_sample_weights`]. Weights of
    /// [`Dataset::with_target_weights`] stay.
    pub fn sample_weight(mut self, weights: impl Into<Vec<f32>>) -> Self {
        self.sample_weight = Some(weights.into());
        self
    }

    /// Evaluates on so many batches only, the first ones; at most as many as there are. All by
    /// default.
    pub fn steps(mut self, steps: usize) -> Self {
        self.steps = Some(steps);
        self
    }

    /// Adds a callback, whose test hooks are called.
    pub fn callback(mut self, callback: &'a mut dyn Callback) -> Self {
        self.callbacks.push(callback);
        self
    }

    /// Shows on standard output how the steps go and the scores, by a
    /// [`ProgressBar`](super::callbacks::ProgressBar); nothing by default.
    pub fn verbose(mut self, verbose: Verbose) -> Self {
        self.verbose = verbose;
        self
    }
}

/// Arguments of [`Model::predict`](super::Model::predict).
pub struct Predict<'a> {
    pub(super) batch_size: usize,
    pub(super) steps: Option<usize>,
    pub(super) callbacks: Vec<&'a mut dyn Callback>,
    pub(super) verbose: Verbose,
}

impl Default for Predict<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Predict<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Predict")
            .field("batch_size", &self.batch_size)
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}

impl<'a> Predict<'a> {
    /// All samples, in batches of 32.
    pub fn new() -> Self {
        Predict { batch_size: 32, steps: None, callbacks: Vec::new(), verbose: Verbose::Silent }
    }

    /// Samples a step, at least 1; 32 by default.
    pub fn batch_size(mut self, batch_size: usize) -> Self {
        self.batch_size = batch_size;
        self
    }

    /// Predicts so many batches only, the first ones; at most as many as there are. All by
    /// default.
    pub fn steps(mut self, steps: usize) -> Self {
        self.steps = Some(steps);
        self
    }

    /// Adds a callback, whose predict hooks are called.
    pub fn callback(mut self, callback: &'a mut dyn Callback) -> Self {
        self.callbacks.push(callback);
        self
    }

    /// Shows on standard output how the steps go, by a
    /// [`ProgressBar`](super::callbacks::ProgressBar); nothing by default.
    pub fn verbose(mut self, verbose: Verbose) -> Self {
        self.verbose = verbose;
        self
    }
}

/// The number of steps: the one asked for, or as many as `samples` make.
pub(super) fn steps(
    argument: &'static str,
    asked: Option<usize>,
    samples: usize,
    batch_size: usize,
) -> Result<usize> {
    let batches = samples.div_ceil(batch_size.max(1));
    match asked {
        None => Ok(batches),
        Some(steps) if (1..=batches).contains(&steps) => Ok(steps),
        Some(steps) => Err(Error::argument(
            argument,
            format!(
                "is {steps}; {samples} samples in batches of {batch_size} make {batches} steps, \
                 give 1 to {batches}"
            ),
        )),
    }
}

pub(super) fn check_batch_size(argument: &'static str, batch_size: usize) -> Result<()> {
    match batch_size {
        0 => Err(Error::argument(argument, "is 0; give at least 1")),
        _ => Ok(()),
    }
}
