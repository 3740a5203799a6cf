//! The optional arguments of fit, evaluate and predict.

use std::sync::Arc;

use flate2::Crc;

use super::callback::{Callback, Resume};
use super::residence::DataOn;
use super::settings::settings;
use super::verbose::Verbose;
use crate::data::{Shuffle, Source};
use crate::distributed::Transport;
use crate::error::{Error, Result};

/// After which epochs [`fit`](super::Model::fit) validates: a number means every so many epochs, a
/// list means the epochs in it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValidationFreq {
    /// After the epochs whose number is a multiple of this.
    Every(u32),
    /// After the epochs of these numbers, from 1; numbers that the run does not reach have no
    /// effect.
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

/// Gives arguments what all of them have, beside their own.
macro_rules! arguments {
    ($name:ident) => {
        impl<'a> $name<'a> {
            settings! {
                /// Samples in a step, at least 1; the last batch may be smaller. 32 by default. It is
                /// refused where the source itself makes the batches.
                batch_size(batch_size: usize): batch_size = Some(batch_size);

                /// Threads that read batches ahead, while the device works; 0 reads each batch when
                /// it is needed. By default 0 for arrays in memory, and 1 for all other sources.
                /// The batches are the same, bit for bit and in the same order, whatever the number.
                workers(workers: usize): workers = Some(workers);

                /// Batches that the workers read ahead at most, at least 1; 10 by default. On a
                /// GPU they lie in upload memory.
                max_queue_size(batches: usize): max_queue_size = Some(batches);

                /// Shows on standard output how the steps go, and the scores, by a
                /// [`ProgressBar`](super::callbacks::ProgressBar); nothing by default.
                verbose(verbose: Verbose): verbose = verbose;

                /// Shares each batch with the other processes of a
                /// [`Transport`](crate::distributed::Transport), of which each makes the same call on
                /// the same data. A batch is cut into [shards](crate::Compiled::shards), 8 unless the
                /// model says otherwise, at least one for each process. The result has the same bits
                /// with any number of processes, as long as their devices are of the same kind.
                ///
                /// Callbacks run in every process; the first one alone writes files and shows progress.
                /// A process with another model, seed, version or other data is refused before anything
                /// is changed, with the difference. The model and the place where a fit goes on are those
                /// of the first process. Waiting for other processes holds up the calling thread.
                distribute(transport: &(impl Transport + Clone + 'static)):
                    distribute = Some(Arc::new(transport.clone()));
            }

            /// Adds a callback. The hooks of several are called in the order in which they were
            /// added.
            #[must_use]
            pub fn callback(mut self, callback: &'a mut dyn Callback) -> Self {
                self.callbacks.push(callback);
                self
            }
        }

        impl Default for $name<'_> {
            fn default() -> Self {
                Self::new()
            }
        }

        impl std::fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let mut shown = f.debug_struct(stringify!($name));
                shown.field("batch_size", &self.batch_size).finish_non_exhaustive()
            }
        }
    };
}

arguments!(Fit);
arguments!(Evaluate);
arguments!(Predict);

/// Arguments of [`Model::fit`](super::Model::fit), by
/// [Keras' names](https://keras.io/api/models/model_training_apis/#fit-method).
pub struct Fit<'a> {
    pub(super) batch_size: Option<usize>,
    pub(super) workers: Option<usize>,
    pub(super) max_queue_size: Option<usize>,
    pub(super) epochs: u32,
    pub(super) initial_epoch: u32,
    pub(super) shuffle: Option<Shuffle>,
    pub(super) validation_split: f64,
    pub(super) validation_data: Option<Source>,
    pub(super) validation_steps: Option<usize>,
    pub(super) validation_batch_size: Option<usize>,
    pub(super) validation_freq: Option<ValidationFreq>,
    pub(super) steps_per_epoch: Option<usize>,
    pub(super) data_on: DataOn,
    pub(super) steps_per_submit: Option<usize>,
    pub(super) sample_weight: Option<Vec<f32>>,
    pub(super) target_weight: Vec<(String, Vec<f32>)>,
    pub(super) class_weight: Vec<(u32, f32)>,
    pub(super) snapshot_every: Option<usize>,
    pub(super) resume: Option<Resume>,
    pub(super) callbacks: Vec<&'a mut dyn Callback>,
    pub(super) verbose: Verbose,
    pub(super) distribute: Option<Arc<dyn Transport>>,
}

impl<'a> Fit<'a> {
    /// One epoch of shuffled batches of 32 samples, without validation.
    #[must_use]
    pub fn new() -> Self {
        Fit {
            batch_size: None,
            workers: None,
            max_queue_size: None,
            epochs: 1,
            initial_epoch: 0,
            shuffle: None,
            validation_split: 0.0,
            validation_data: None,
            validation_steps: None,
            validation_batch_size: None,
            validation_freq: None,
            steps_per_epoch: None,
            data_on: DataOn::Auto,
            steps_per_submit: None,
            sample_weight: None,
            target_weight: Vec::new(),
            class_weight: Vec::new(),
            snapshot_every: None,
            resume: None,
            callbacks: Vec::new(),
            verbose: Verbose::Silent,
            distribute: None,
        }
    }

    settings! {
        /// Passes over the data, at least 1; 1 by default. With `initial_epoch`, this is the number
        /// of the last epoch, as in Keras.
        epochs(epochs: u32): epochs = epochs;

        /// Counts so many epochs as done, less than `epochs`: those from `initial_epoch + 1` to
        /// `epochs` run. 0 by default.
        ///
        /// The order of an epoch's samples depends on the model's seed and on how many epochs the
        /// model has been trained before. `initial_epoch`, if it is not 0, sets that number. So 3
        /// epochs are, bit for bit, 2 epochs and then `initial_epoch(2).epochs(3)`, and a model
        /// loaded from a file can go on where it stopped. Without it, the number goes on over
        /// several calls of `fit`, and every epoch has an order of its own.
        initial_epoch(initial_epoch: u32): initial_epoch = initial_epoch;

        /// The order of the samples; a new permutation each epoch by default. A stream comes in its
        /// own order, and anything but [`Shuffle::Off`] is refused for it.
        shuffle(shuffle: Shuffle): shuffle = Some(shuffle);

        /// Holds out this last fraction of the samples, cut before shuffling, and evaluates on it
        /// after each epoch; 0 by default. It is refused for a stream.
        validation_split(fraction: f64): validation_split = fraction;

        /// Evaluates on these samples after each epoch; not together with `validation_split`.
        /// A stream is read from its beginning each time.
        validation_data(data: impl Into<Source>): validation_data = Some(data.into());

        /// Validates on the first so many batches only; at most as many as there are. All by
        /// default.
        validation_steps(steps: usize): validation_steps = Some(steps);

        /// Samples in a step of the validation, at least 1; `batch_size` by default.
        validation_batch_size(batch_size: usize): validation_batch_size = Some(batch_size);

        /// Validates every so many epochs (`2`) or after these (`[1, 2, 10]`, numbers from 1);
        /// after each by default.
        validation_freq(epochs: impl Into<ValidationFreq>): validation_freq = Some(epochs.into());

        /// Ends each epoch after so many steps; at most as many as there are batches, unless the
        /// data are a stream. `ceil(samples / batch_size)` by default. A stream that never ends needs
        /// it.
        ///
        /// Where nothing is shuffled, the next epoch of the call goes on with the batch after the last
        /// one, and after the end of the data with the first; each call begins with the first. Shuffled, each epoch is the beginning of a new
        /// permutation. A stream goes on where it stopped; if it ends in the middle of an epoch, that
        /// is an error, and [`Source::repeat`] makes it go on.
        steps_per_epoch(steps: usize): steps_per_epoch = Some(steps);

        /// Where the inputs of the training data live: on the host, or on the device, where steps
        /// take less of the host's time. [`DataOn::Auto`] by default.
        data_on(data_on: DataOn): data_on = data_on;

        /// How many steps go to the device in one submission, at least 1, where the data lie
        /// [on the device](DataOn); more than 128 mean 128. By default 50 for
        /// [`fit`](super::Model::fit) on a device of ours ([`Gpu::new`](crate::Gpu::new)). It is 1 on
        /// a host's device ([`Gpu::from_device`](crate::Gpu::from_device)), whose other work each
        /// submission holds up, and for [`fit_async`](super::Model::fit_async) on any device, which
        /// can be cancelled between two submissions.
        ///
        /// It changes no bit and no hook: each hook is called as if every step were submitted at
        /// once, and when a callback wants scores, or requests something, what is pending is
        /// submitted before. Fewer steps are submitted together where they would take the device
        /// longer than [`Gpu::submit_time`](crate::Gpu::submit_time). On the CPU it has no effect.
        steps_per_submit(steps: usize): steps_per_submit = Some(steps);

        /// A weight for each sample, in the order of the data: its loss and its gradient are
        /// multiplied by it. A validation split takes the weights of its samples along. These
        /// weights replace those of [`Dataset::with_sample_weights`](crate::Dataset::with_sample_weights).
        sample_weight(weights: impl Into<Vec<f32>>): sample_weight = Some(weights.into());

        /// A weight for the samples of each class, `(class, weight)`; 1 for classes that are not
        /// named. Used in training only, and not together with sample weights.
        class_weight(weights: impl Into<Vec<(u32, f32)>>): class_weight = weights.into();

        /// Takes a [snapshot](super::Model::snapshot) before the first step and after every so many
        /// steps, at least 1, so that [`Model::rebuild`](super::Model::rebuild) can go on from there
        /// when the device is lost. None by default. The one that is due at an epoch's last step is
        /// taken after its validation and its callbacks. Each waits for the device and changes no bit.
        snapshot_every(steps: usize): snapshot_every = Some(steps);

        /// Goes on in the middle of a fit with these arguments, where
        /// [`Model::rebuild`](super::Model::rebuild) says; with `None`, the default, it begins.
        /// `initial_epoch` stays that of the whole. The history holds the epochs of this call, and
        /// the scores of an epoch that was broken are those of its steps in this call. A callback that
        /// [resumes](super::Callback::resume) a run of its own comes before this.
        resume(place: impl Into<Option<Resume>>): resume = place.into();
    }

    /// A weight for each sample's target called `target`, where the model has several outputs. It
    /// replaces [`sample_weight`](Self::sample_weight) for this target.
    #[must_use]
    pub fn target_weight(mut self, target: &str, weights: impl Into<Vec<f32>>) -> Self {
        self.target_weight.push((target.to_owned(), weights.into()));
        self
    }
}

/// Arguments of [`Model::evaluate`](super::Model::evaluate).
pub struct Evaluate<'a> {
    pub(super) batch_size: Option<usize>,
    pub(super) workers: Option<usize>,
    pub(super) max_queue_size: Option<usize>,
    pub(super) sample_weight: Option<Vec<f32>>,
    pub(super) steps: Option<usize>,
    pub(super) callbacks: Vec<&'a mut dyn Callback>,
    pub(super) verbose: Verbose,
    pub(super) distribute: Option<Arc<dyn Transport>>,
}

impl Evaluate<'_> {
    /// All samples, in batches of 32.
    #[must_use]
    pub fn new() -> Self {
        Evaluate {
            batch_size: None,
            workers: None,
            max_queue_size: None,
            sample_weight: None,
            steps: None,
            callbacks: Vec::new(),
            verbose: Verbose::Silent,
            distribute: None,
        }
    }

    settings! {
        /// A weight for each sample: its loss is multiplied by it. These weights replace those of
        /// [`Dataset::with_sample_weights`](crate::Dataset::with_sample_weights), not those of [`Dataset::with_target_weights`](crate::Dataset::with_target_weights).
        sample_weight(weights: impl Into<Vec<f32>>): sample_weight = Some(weights.into());

        /// Evaluates on the first so many batches only; at most as many as there are. All by
        /// default.
        steps(steps: usize): steps = Some(steps);
    }
}

/// Arguments of [`Model::predict`](super::Model::predict).
pub struct Predict<'a> {
    pub(super) batch_size: Option<usize>,
    pub(super) workers: Option<usize>,
    pub(super) max_queue_size: Option<usize>,
    pub(super) steps: Option<usize>,
    pub(super) callbacks: Vec<&'a mut dyn Callback>,
    pub(super) verbose: Verbose,
    pub(super) distribute: Option<Arc<dyn Transport>>,
}

impl Predict<'_> {
    /// All samples, in batches of 32.
    #[must_use]
    pub fn new() -> Self {
        Predict {
            batch_size: None,
            workers: None,
            max_queue_size: None,
            steps: None,
            callbacks: Vec::new(),
            verbose: Verbose::Silent,
            distribute: None,
        }
    }

    settings! {
        /// Predicts the first so many batches only; at most as many as there are. All by default.
        steps(steps: usize): steps = Some(steps);
    }
}

pub(super) fn check_batch_size(argument: &'static str, batch_size: usize) -> Result<()> {
    match batch_size {
        0 => Err(Error::argument(argument, "is 0; give at least 1")),
        _ => Ok(()),
    }
}

impl Evaluate<'_> {
    /// What it has to have in common with the calls of other processes.
    pub(super) fn description(&self) -> Vec<Named> {
        let mut description = described(self.batch_size, ("steps", self.steps));
        description.extend(
            self.sample_weight.as_deref().map(|weights| weights_of("sample_weight", weights)),
        );
        description
    }
}

impl Predict<'_> {
    /// What it has to have in common with the calls of other processes.
    pub(super) fn description(&self) -> Vec<Named> {
        described(self.batch_size, ("steps", self.steps))
    }
}

impl Fit<'_> {
    /// What it has to have in common with the calls of other processes: all on which depends what is
    /// learned.
    pub(super) fn description(&self) -> Vec<Named> {
        let number = |name: &str, value: Option<usize>| {
            (name.to_owned(), value.map_or("not given".to_owned(), |value| value.to_string()))
        };
        let named = |name: &str, value: String| (name.to_owned(), value);
        let mut description = described(self.batch_size, ("steps_per_epoch", self.steps_per_epoch));
        description.extend([
            named("epochs", self.epochs.to_string()),
            named("initial_epoch", self.initial_epoch.to_string()),
            named("shuffle", format!("{:?}", self.shuffle.unwrap_or_default())),
            named("class_weight", format!("{:?}", self.class_weight)),
            named("validation_split", self.validation_split.to_string()),
            number("validation_steps", self.validation_steps),
            number("validation_batch_size", self.validation_batch_size),
            named("validation_freq", format!("{:?}", self.validation_freq)),
        ]);
        let weights = self.sample_weight.iter().map(|weights| ("sample_weight", weights));
        let named_weights =
            self.target_weight.iter().map(|(name, weights)| (name.as_str(), weights));
        let all = weights.chain(named_weights);
        description.extend(all.map(|(name, weights)| weights_of(name, weights)));
        description
    }
}

/// A name and a value that must be the same in all processes.
pub(super) type Named = (String, String);

fn described(batch_size: Option<usize>, (name, steps): (&str, Option<usize>)) -> Vec<Named> {
    let batch_size = batch_size.map_or("not given".to_owned(), |size| size.to_string());
    let steps = steps.map_or("all".to_owned(), |steps| steps.to_string());
    vec![("batch_size".to_owned(), batch_size), (name.to_owned(), steps)]
}

fn weights_of(name: &str, weights: &[f32]) -> Named {
    let mut crc = Crc::new();
    crc.update(bytemuck::cast_slice(weights));
    (name.to_owned(), format!("{} numbers with the checksum {:08x}", weights.len(), crc.sum()))
}
