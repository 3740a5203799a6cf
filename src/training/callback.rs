//! Callbacks: hooks in which a caller watches training and controls it.

use super::control::{Answer, Control};
use super::history::{EpochRecord, History};
use super::predictions::Predictions;
use super::scores::Scores;
use super::send::WasmNotSend;
use crate::error::{Error, Result};

/// What is known when training begins.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TrainStart {
    /// Epochs that were done before, those of a [`Resume`] included: the first epoch's number is
    /// one more.
    pub initial_epoch: u32,
    /// Number of the last epoch that was asked for.
    pub epochs: u32,
    /// Steps in each of them; `None` if the data are a stream of unknown length.
    pub steps: Option<usize>,
    /// Names of the values that an epoch of this run can have, in the order of
    /// [`EpochRecord::values`]: `loss`, `val_loss`, ...
    pub names: Vec<String>,
    /// Rows of a batch that run at a time, if a batch does not run as a whole: see
    /// [`Model::micro_batch_size`](super::Model::micro_batch_size).
    pub micro_batch_size: Option<usize>,
    /// Shards of a batch, if batches are [cut](crate::Compiled::shards) into some; then each has
    /// `micro_batch_size` rows at most.
    pub shards: Option<usize>,
}

impl TrainStart {
    /// For tests of a callback.
    #[must_use]
    pub fn new(
        initial_epoch: u32,
        epochs: u32,
        steps: impl Into<Option<usize>>,
        names: Vec<String>,
    ) -> Self {
        let steps = steps.into();
        TrainStart { initial_epoch, epochs, steps, names, micro_batch_size: None, shards: None }
    }
}

/// Where a run that broke goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resume {
    /// Epochs that are done; the next one's number is one more.
    pub epochs: u32,
    /// Steps of the next epoch that are done, fewer than it has. That epoch's scores then count its
    /// remaining steps only.
    pub steps: usize,
}

impl Resume {
    /// After `epochs` whole epochs and `steps` steps of the next one.
    #[must_use]
    pub fn new(epochs: u32, steps: usize) -> Self {
        Resume { epochs, steps }
    }
}

/// What is known when an epoch begins.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct EpochStart {
    /// From 1.
    pub epoch: u32,
    /// Number of the last epoch that was asked for.
    pub epochs: u32,
    /// Steps in each of them; `None` if the data are a stream of unknown length.
    pub steps: Option<usize>,
}

impl EpochStart {
    /// For tests of a callback.
    #[must_use]
    pub fn new(epoch: u32, epochs: u32, steps: impl Into<Option<usize>>) -> Self {
        EpochStart { epoch, epochs, steps: steps.into() }
    }
}

/// What is known when a step has been handed to the device.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct StepEnd {
    /// Steps of this epoch, evaluation or prediction so far.
    pub step: usize,
    /// Samples in these steps, those of all processes in a distributed run, without those before a
    /// [`Resume`].
    pub samples: usize,
}

impl StepEnd {
    /// For tests of a callback.
    #[must_use]
    pub fn new(step: usize, samples: usize) -> Self {
        StepEnd { step, samples }
    }
}

/// Hooks that [`fit`](super::Model::fit), [`evaluate`](super::Model::evaluate) and
/// [`predict`](super::Model::predict) call as they go; they are those of
/// [Keras' class](https://keras.io/api/callbacks/base_callback/), without `on_`.
///
/// The validation of `fit` is an evaluation and calls the test hooks of `fit`'s callbacks. Several
/// callbacks are called in the order in which they were added. An error of any hook ends the call
/// and is returned by it ([`Error::callback`](crate::Error::callback) makes one); no further hook
/// is called then, not even `train_end`. An error of the data is told by
/// [`data_failed`](Self::data_failed).
///
/// Each hook is given the run that calls it. It can stop training and set the learning rate at
/// once. Whatever reads from the device or writes to it is requested, and done before the next
/// hook is called: weights, scores on other samples, a file of the model. The result comes to
/// [`answer`](Self::answer).
///
/// # In a distributed run
///
/// Each process calls its own callbacks, at the same steps and with the same values; only what is
/// measured in seconds differs ([`EpochRecord::seconds`], [`EpochRecord::waits`]). They must decide alike
/// in all processes: stop after the same step, set the same rates, evaluate and predict at the same
/// moment. If they do not, the processes wait for each other without end. So a decision may follow the
/// scores, the steps and the epochs, and never a clock, a key that was pressed, a random number of the
/// process's own or its rank. A callback that only looks on may stand in the first process alone: scores are
/// read in all if that one [wants](Self::wants_scores) them. (Any other one is heard after the steps in which
/// it has a row of the batch.) What a callback writes or prints, it writes or prints in the first process alone
/// ([`Control::process`]). [`Request::Save`](super::Request::Save) and
/// [`Request::SaveWithNote`](super::Request::SaveWithNote) take care of that themselves: the first process
/// writes the file, the others are answered as if they had. [`resume`](Self::resume) counts in
/// the first process, whose model and place the others take over.
///
/// ```
/// use minibatch::data::Dataset;
/// use minibatch::training::{Answer, Callback, Control, EpochRecord, Request, Scores};
/// use minibatch::Result;
///
/// /// Evaluates on samples of its own after each epoch.
/// struct Watch {
///     data: Dataset,
///     scores: Vec<Scores>,
/// }
///
/// impl Callback for Watch {
///     fn epoch_end(&mut self, run: &mut dyn Control, _record: &EpochRecord) -> Result<()> {
///         run.request(Request::evaluate(self.data.clone(), 32));
///         Ok(())
///     }
///
///     fn answer(&mut self, run: &mut dyn Control, answer: Answer) -> Result<()> {
///         if let Answer::Scores(scores) = answer {
///             if scores.loss < 0.1 {
///                 run.stop();
///             }
///             self.scores.push(scores);
///         }
///         Ok(())
///     }
/// }
/// # use minibatch::{Activation, Adam, Cpu, Fit, Loss, Sequential};
/// # fn main() -> Result<()> {
/// # let data = minibatch::data::synthetic_digits(64, 0)?;
/// # let mut model = Sequential::new(minibatch::model::Input::pixels(data.sample_shape()))
/// #     .dense(data.classes(), Activation::Softmax)
/// #     .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [])
/// #     .build(&Cpu::new())?;
/// let mut watch = Watch { data: data.clone(), scores: Vec::new() };
/// model.fit(&data, Fit::new().epochs(2).callback(&mut watch))?;
/// assert_eq!(watch.scores.len(), 2);
/// # Ok(())
/// # }
/// ```
#[allow(unused_variables, reason = "the default bodies are empty")]
#[allow(clippy::missing_errors_doc, reason = "an error of any hook ends the call, as said above")]
pub trait Callback: WasmNotSend {
    /// The first hook of `fit`. A callback that continues a broken run returns where that run
    /// stopped, which replaces `initial_epoch`, and requests that the model be restored to its
    /// state there. If several callbacks return a place, the last one counts. If all epochs are
    /// done by then, none runs, and the history is empty.
    fn resume(&mut self, run: &mut dyn Control, train: &TrainStart) -> Result<Option<Resume>> {
        Ok(None)
    }

    /// Training begins; nothing was changed yet, but by [`resume`](Self::resume).
    fn train_begin(&mut self, run: &mut dyn Control, train: &TrainStart) -> Result<()> {
        Ok(())
    }

    /// Training has ended, after its last epoch or because a callback stopped it.
    fn train_end(&mut self, run: &mut dyn Control, history: &History) -> Result<()> {
        Ok(())
    }

    /// The next batch of training cannot be read, or the data ended too early. Training ends with
    /// `error`, whatever this hook returns; what it requests is still done, so that what was learned
    /// before can be kept.
    fn data_failed(&mut self, run: &mut dyn Control, error: &Error) -> Result<()> {
        Ok(())
    }

    /// An epoch begins.
    fn epoch_begin(&mut self, run: &mut dyn Control, epoch: EpochStart) -> Result<()> {
        Ok(())
    }

    /// An epoch has ended, validation included.
    fn epoch_end(&mut self, run: &mut dyn Control, record: &EpochRecord) -> Result<()> {
        Ok(())
    }

    /// A training step begins: its number in this epoch, from 1.
    fn batch_begin(&mut self, run: &mut dyn Control, step: usize) -> Result<()> {
        Ok(())
    }

    /// Whether [`scores`](Self::scores) is wanted after this training step. Reading them waits for
    /// the device, so say yes a few times a second at most. No by default. In a distributed run it is asked
    /// before the step ends, so that the processes can tell each other.
    fn wants_scores(&mut self, step: StepEnd) -> bool {
        false
    }

    /// The running scores of the epoch, after a step for which they were wanted.
    fn scores(&mut self, step: StepEnd, scores: &Scores) {}

    /// A training step has been handed to the device.
    fn batch_end(&mut self, run: &mut dyn Control, step: StepEnd) -> Result<()> {
        Ok(())
    }

    /// An evaluation of so many steps begins; `None` if the data are a stream of unknown length.
    fn test_begin(&mut self, run: &mut dyn Control, steps: Option<usize>) -> Result<()> {
        Ok(())
    }

    /// An evaluation has ended.
    fn test_end(&mut self, run: &mut dyn Control, scores: &Scores) -> Result<()> {
        Ok(())
    }

    /// A step of an evaluation begins: its number, from 1.
    fn test_batch_begin(&mut self, run: &mut dyn Control, step: usize) -> Result<()> {
        Ok(())
    }

    /// [`wants_scores`](Self::wants_scores) of an evaluation. In a distributed run it is not asked: the
    /// processes bring their scores together when the evaluation ends.
    fn wants_test_scores(&mut self, step: StepEnd) -> bool {
        false
    }

    /// The running scores of the evaluation, after a step for which they were wanted.
    fn test_scores(&mut self, step: StepEnd, scores: &Scores) {}

    /// A step of an evaluation has been handed to the device.
    fn test_batch_end(&mut self, run: &mut dyn Control, step: StepEnd) -> Result<()> {
        Ok(())
    }

    /// A prediction of so many steps begins; `None` if the data are a stream of unknown length.
    fn predict_begin(&mut self, run: &mut dyn Control, steps: Option<usize>) -> Result<()> {
        Ok(())
    }

    /// A prediction has ended.
    fn predict_end(&mut self, run: &mut dyn Control) -> Result<()> {
        Ok(())
    }

    /// A step of a prediction begins: its number, from 1.
    fn predict_batch_begin(&mut self, run: &mut dyn Control, step: usize) -> Result<()> {
        Ok(())
    }

    /// A step of a prediction is done. `outputs` has the outputs for the samples since the last
    /// such call, row-major, under their names.
    fn predict_batch_end(
        &mut self,
        run: &mut dyn Control,
        step: StepEnd,
        outputs: &Predictions,
    ) -> Result<()> {
        Ok(())
    }

    /// A request of this callback was carried out; `answer` is its result. It may request more.
    fn answer(&mut self, run: &mut dyn Control, answer: Answer) -> Result<()> {
        Ok(())
    }
}
