//! Callbacks: how a caller watches training, takes part in it, and ends it.

use super::history::{EpochRecord, History};
use super::model::Model;
use super::predict::Predictions;
use super::scores::Scores;
use crate::error::Result;

/// Whether training goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// It does.
    Continue,
    /// It ends after this step or epoch; what was learned so far is kept. After a step, the epoch
    /// is still validated, as in Keras.
    Stop,
}

/// What is known when training begins.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainStart {
    /// Epochs that count as done, those of a [`Resume`] too; the first one's number is one more.
    pub initial_epoch: u32,
    /// Number of the last epoch that was asked for.
    pub epochs: u32,
    /// Steps in each of them.
    pub steps: usize,
    /// Names of the values that an epoch of this run can have, in the order of
    /// [`EpochRecord::values`]: `loss`, `val_loss`, ...
    pub names: Vec<String>,
}

/// Where a run that was broken goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resume {
    /// Epochs of it that are done; the next one's number is one more.
    pub epochs: u32,
    /// Steps of that next epoch that are done too, less than it has. The epoch's scores are then
    /// those of its other steps.
    pub steps: usize,
}

/// What is known when an epoch begins.
#[derive(Debug, Clone, Copy)]
pub struct EpochStart {
    /// From 1.
    pub epoch: u32,
    /// Number of the last epoch that was asked for.
    pub epochs: u32,
    /// Steps in each of them.
    pub steps: usize,
}

/// What is known when a step has been handed to the device.
#[derive(Debug, Clone, Copy)]
pub struct StepEnd {
    /// Steps of this epoch, evaluation or prediction so far.
    pub step: usize,
    /// Samples of them so far, without those that were seen before a [`Resume`].
    pub samples: usize,
}

/// Told of what [`fit`](Model::fit), [`evaluate`](Model::evaluate) and
/// [`predict`](Model::predict) do; the hooks are those of
/// [Keras' class](https://keras.io/api/callbacks/base_callback/), without `on_`.
///
/// The validation of `fit` is an evaluation and calls the test hooks of `fit`'s callbacks. Several
/// callbacks are called in the order in which they were added. An error of any hook ends the call
/// and is returned by it ([`Error::callback`](crate::Error::callback) makes one); no further hook is called then, `train_end` neither.
///
/// The model in a hook is the one at work: its weights and learning rate can be read and set, it
/// can be saved, evaluated and shown samples, and training goes on with what it then is. Whatever
/// reads from the device waits for the steps handed to it so far.
#[allow(unused_variables, reason = "the default bodies are empty")]
pub trait Callback {
    /// The first hook of `fit`: where it is to begin, in place of its `initial_epoch`. Who gives
    /// an answer has set the model to what it was there, the count of its epochs included; of
    /// several answers the last one counts. If all epochs are done then, none runs, and the history
    /// is empty.
    ///
    /// # Errors
    /// As `train_begin`.
    fn resume(&mut self, model: &mut Model, train: &TrainStart) -> Result<Option<Resume>> {
        Ok(None)
    }

    /// Training begins; nothing was changed yet, but by [`resume`](Self::resume).
    ///
    /// # Errors
    /// Ends `fit`, as in every hook.
    fn train_begin(&mut self, model: &mut Model, train: &TrainStart) -> Result<()> {
        Ok(())
    }

    /// Training has ended, after its last epoch or because a callback stopped it.
    ///
    /// # Errors
    /// As `train_begin`.
    fn train_end(&mut self, model: &mut Model, history: &History) -> Result<()> {
        Ok(())
    }

    /// An epoch begins.
    ///
    /// # Errors
    /// As `train_begin`.
    fn epoch_begin(&mut self, model: &mut Model, epoch: EpochStart) -> Result<()> {
        Ok(())
    }

    /// An epoch has ended, validation included.
    ///
    /// # Errors
    /// As `train_begin`.
    fn epoch_end(&mut self, model: &mut Model, record: &EpochRecord) -> Result<Flow> {
        Ok(Flow::Continue)
    }

    /// A training step begins: its number in this epoch, from 1.
    ///
    /// # Errors
    /// As `train_begin`.
    fn batch_begin(&mut self, model: &mut Model, step: usize) -> Result<()> {
        Ok(())
    }

    /// Whether [`scores`](Self::scores) is wanted after this training step. Reading them waits for
    /// the device, so say yes a few times a second at most. No by default.
    fn wants_scores(&mut self, step: StepEnd) -> bool {
        false
    }

    /// The running scores of the epoch, after a step for which they were wanted.
    fn scores(&mut self, step: StepEnd, scores: &Scores) {}

    /// A training step has been handed to the device.
    ///
    /// # Errors
    /// As `train_begin`.
    fn batch_end(&mut self, model: &mut Model, step: StepEnd) -> Result<Flow> {
        Ok(Flow::Continue)
    }

    /// An evaluation of so many steps begins.
    ///
    /// # Errors
    /// As `train_begin`.
    fn test_begin(&mut self, model: &mut Model, steps: usize) -> Result<()> {
        Ok(())
    }

    /// An evaluation has ended.
    ///
    /// # Errors
    /// As `train_begin`.
    fn test_end(&mut self, model: &mut Model, scores: &Scores) -> Result<()> {
        Ok(())
    }

    /// A step of an evaluation begins: its number, from 1.
    ///
    /// # Errors
    /// As `train_begin`.
    fn test_batch_begin(&mut self, model: &mut Model, step: usize) -> Result<()> {
        Ok(())
    }

    /// [`wants_scores`](Self::wants_scores) of an evaluation.
    fn wants_test_scores(&mut self, step: StepEnd) -> bool {
        false
    }

    /// The running scores of the evaluation, after a step for which they were wanted.
    fn test_scores(&mut self, step: StepEnd, scores: &Scores) {}

    /// A step of an evaluation has been handed to the device.
    ///
    /// # Errors
    /// As `train_begin`.
    fn test_batch_end(&mut self, model: &mut Model, step: StepEnd) -> Result<()> {
        Ok(())
    }

    /// A prediction of so many steps begins.
    ///
    /// # Errors
    /// As `train_begin`.
    fn predict_begin(&mut self, model: &mut Model, steps: usize) -> Result<()> {
        Ok(())
    }

    /// A prediction has ended.
    ///
    /// # Errors
    /// As `train_begin`.
    fn predict_end(&mut self, model: &mut Model) -> Result<()> {
        Ok(())
    }

    /// A step of a prediction begins: its number, from 1.
    ///
    /// # Errors
    /// As `train_begin`.
    fn predict_batch_begin(&mut self, model: &mut Model, step: usize) -> Result<()> {
        Ok(())
    }

    /// A step of a prediction is done: the outputs of its samples, and of those since the last such
    /// call, row-major, under their names.
    ///
    /// # Errors
    /// As `train_begin`.
    fn predict_batch_end(
        &mut self,
        model: &mut Model,
        step: StepEnd,
        outputs: &Predictions,
    ) -> Result<()> {
        Ok(())
    }
}
