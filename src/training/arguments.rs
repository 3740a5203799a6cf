//! The optional arguments of fit, evaluate and predict.

use super::callback::Callback;
use crate::data::{Dataset, Shuffle};

/// Arguments of [`Model::fit`](super::Model::fit), by
/// [Keras' names](https://keras.io/api/models/model_training_apis/#fit-method).
pub struct Fit<'a> {
    pub(super) batch_size: usize,
    pub(super) epochs: u32,
    pub(super) shuffle: Shuffle,
    pub(super) validation_split: f64,
    pub(super) validation_data: Option<&'a Dataset>,
    pub(super) steps_per_epoch: Option<usize>,
    pub(super) sample_weight: Option<Vec<f32>>,
    pub(super) class_weight: Vec<(u32, f32)>,
    pub(super) callbacks: Vec<&'a mut dyn Callback>,
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
            shuffle: Shuffle::Full,
            validation_split: 0.0,
            validation_data: None,
            steps_per_epoch: None,
            sample_weight: None,
            class_weight: Vec::new(),
            callbacks: Vec::new(),
        }
    }

    /// Samples a step, at least 1; the last batch of an epoch may be smaller. 32 by default.
    pub fn batch_size(mut self, batch_size: usize) -> Self {
        self.batch_size = batch_size;
        self
    }

    /// Passes over the data, at least 1; 1 by default.
    pub fn epochs(mut self, epochs: u32) -> Self {
        self.epochs = epochs;
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

    /// A weight for the samples of each class, `(class, weight)`; 1 for those that are not named.
    /// Counts in training only, and not together with sample weights.
    pub fn class_weight(mut self, weights: impl Into<Vec<(u32, f32)>>) -> Self {
        self.class_weight = weights.into();
        self
    }

    /// Adds someone to be told of each epoch and step.
    pub fn callback(mut self, callback: &'a mut dyn Callback) -> Self {
        self.callbacks.push(callback);
        self
    }
}

/// Arguments of [`Model::evaluate`](super::Model::evaluate).
#[derive(Debug, Clone)]
pub struct Evaluate {
    pub(super) batch_size: usize,
    pub(super) sample_weight: Option<Vec<f32>>,
}

impl Default for Evaluate {
    fn default() -> Self {
        Self::new()
    }
}

impl Evaluate {
    /// Batches of 32 samples.
    pub fn new() -> Self {
        Evaluate { batch_size: 32, sample_weight: None }
    }

    /// Samples a step, at least 1; 32 by default.
    pub fn batch_size(mut self, batch_size: usize) -> Self {
        self.batch_size = batch_size;
        self
    }

    /// A weight for each sample, by which its loss is multiplied; in place of those of the data.
    pub fn sample_weight(mut self, weights: impl Into<Vec<f32>>) -> Self {
        self.sample_weight = Some(weights.into());
        self
    }
}

/// Arguments of [`Model::predict`](super::Model::predict).
#[derive(Debug, Clone)]
pub struct Predict {
    pub(super) batch_size: usize,
}

impl Default for Predict {
    fn default() -> Self {
        Self::new()
    }
}

impl Predict {
    /// Batches of 32 samples.
    pub fn new() -> Self {
        Predict { batch_size: 32 }
    }

    /// Samples a step, at least 1; 32 by default.
    pub fn batch_size(mut self, batch_size: usize) -> Self {
        self.batch_size = batch_size;
        self
    }
}
