//! What a callback can do to the run that calls it.

use std::ops::Range;
#[cfg(not(target_arch = "wasm32"))]
use std::path::PathBuf;

use super::predictions::Predictions;
use super::scores::Scores;
use crate::data::{Dataset, Source};
use crate::distributed::Process;
use crate::error::Result;
use crate::model::Weights;

/// The run that calls a hook: a [`fit`](super::Model::fit), an
/// [`evaluate`](super::Model::evaluate) or a [`predict`](super::Model::predict) at work.
///
/// What needs no device happens at once. What reads from the device or writes to it is asked for
/// with [`request`](Self::request), because a hook cannot wait.
pub trait Control {
    /// Training steps that the model has made so far.
    fn steps(&self) -> u64;

    /// Submissions that the device was given so far for the steps of this model; 0 on the CPU.
    fn submits(&self) -> u64 {
        0
    }

    /// Which of the processes that train this model together this is; the only one unless the run is
    /// distributed. A callback that writes or prints does so in the first alone.
    fn process(&self) -> Process {
        Process::ALONE
    }

    /// The learning rate of the next step.
    fn learning_rate(&self) -> f64;

    /// Sets the learning rate of the steps to come.
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) if building a model would refuse the rate, or if
    /// a schedule governs it.
    fn set_learning_rate(&mut self, learning_rate: f64) -> Result<()>;

    /// Ends `fit` after the current step or epoch; what was learned so far is kept. An epoch that
    /// is ended after one of its steps is still validated, as in Keras. An evaluation or a
    /// prediction goes on to its end.
    fn stop(&mut self);

    /// Whether a callback has called [`stop`](Self::stop) in this call.
    fn stopped(&self) -> bool {
        false
    }

    /// Asks for something that needs the device. It is carried out as soon as the hook has
    /// returned, before the next callback's hook is called; several requests are carried out in
    /// order. The result comes to [`Callback::answer`](super::Callback::answer). An error ends the
    /// call and is returned by it.
    fn request(&mut self, request: Request);
}

/// What a hook can ask for. Each is done after the steps so far, and waits for them.
#[derive(Debug)]
#[non_exhaustive]
pub enum Request {
    /// All parameters, as [`Model::weights`](super::Model::weights) returns them; answered by
    /// [`Answer::Weights`].
    Weights,
    /// Sets all parameters, as [`Model::set_weights`](super::Model::set_weights) does; not
    /// answered.
    SetWeights(Weights),
    /// What the last step has left in the buffer of this name, as
    /// [`Model::read`](super::Model::read) returns it; answered by [`Answer::Buffer`].
    Read(String),
    /// The scores on other samples, in batches of so many; answered by [`Answer::Scores`]. This
    /// changes nothing in the scores of the current epoch, and calls no hook.
    #[non_exhaustive]
    Evaluate {
        /// The samples, with targets.
        data: Source,
        /// Samples a step, at least 1.
        batch_size: usize,
    },
    /// The outputs for other samples, in batches of so many; answered by
    /// [`Answer::Predictions`]. No hook is called.
    #[non_exhaustive]
    Predict {
        /// The samples; targets are ignored.
        data: Source,
        /// Samples a step, at least 1.
        batch_size: usize,
    },
    /// The gradients of a batch, as [`Model::gradients`](super::Model::gradients) returns them, or
    /// what a part of its samples adds to them; answered by [`Answer::Gradients`]. Training is not
    /// changed by it.
    #[non_exhaustive]
    Gradients {
        /// Where the samples are, with targets.
        data: Dataset,
        /// Which of them are the batch.
        indices: Vec<u32>,
        /// Which places of `indices` are looked at. The gradients of parts that make the whole
        /// batch add up to its own: each divides by the samples of the whole.
        part: Range<usize>,
    },
    /// The whole model, as [`Model::save_bytes`](super::Model::save_bytes) returns it; answered by
    /// [`Answer::Bytes`].
    SaveBytes,
    /// Writes the whole model to this file, as [`Model::save`](super::Model::save) does; answered
    /// by [`Answer::Saved`].
    #[cfg(not(target_arch = "wasm32"))]
    Save(PathBuf),
    /// [`Request::Save`] with a note, which is no part of the model: loading and restoring ignore
    /// it, and [`BackupAndRestore::latest`](super::callbacks::BackupAndRestore::latest) reads it.
    /// Parameters that are not finite are [`Error::NonFinite`](crate::Error::NonFinite), and
    /// nothing is written. Answered by [`Answer::Saved`].
    #[cfg(not(target_arch = "wasm32"))]
    SaveWithNote {
        /// The file.
        path: PathBuf,
        /// Any text.
        note: String,
    },
    /// Sets the model to what [`Request::SaveBytes`] returned, as
    /// [`Model::restore_bytes`](super::Model::restore_bytes) does; not answered.
    RestoreBytes(Vec<u8>),
    /// Sets the model to what this file holds, as [`Model::restore`](super::Model::restore) does;
    /// not answered.
    #[cfg(not(target_arch = "wasm32"))]
    Restore(PathBuf),
}

impl Request {
    /// [`Request::Evaluate`].
    #[must_use]
    pub fn evaluate(data: impl Into<Source>, batch_size: usize) -> Self {
        Request::Evaluate { data: data.into(), batch_size }
    }

    /// [`Request::Predict`].
    #[must_use]
    pub fn predict(data: impl Into<Source>, batch_size: usize) -> Self {
        Request::Predict { data: data.into(), batch_size }
    }

    /// [`Request::Gradients`].
    #[must_use]
    pub fn gradients(data: Dataset, indices: Vec<u32>, part: Range<usize>) -> Self {
        Request::Gradients { data, indices, part }
    }
}

/// The result of a [`Request`].
#[derive(Debug)]
#[non_exhaustive]
pub enum Answer {
    /// All parameters.
    Weights(Weights),
    /// The values of the buffer of this name.
    Buffer(String, Vec<f32>),
    /// The scores on the samples of the request.
    Scores(Scores),
    /// The outputs for the samples of the request.
    Predictions(Predictions),
    /// Of each trained parameter name, shape and gradient.
    Gradients(Weights),
    /// The whole model.
    Bytes(Vec<u8>),
    /// The file is written.
    #[cfg(not(target_arch = "wasm32"))]
    Saved(PathBuf),
}
