//! Files for TensorBoard.

use std::path::PathBuf;

use super::event_file::EventFile;
use super::frequency::Frequency;
use crate::clock::Instant;
use crate::error::{Error, Result};
use crate::training::callback::{Callback, StepEnd, TrainStart};
use crate::training::control::Control;
use crate::training::history::{EpochRecord, History};
use crate::training::scores::Scores;

/// Writes what training reports to files that `tensorboard --logdir <log_dir>` shows, as
/// [Keras' callback](https://keras.io/api/callbacks/tensorboard/):
///
/// | file in | tag | step |
/// |---|---|---|
/// | `<log_dir>/train` | `epoch_loss`, ..., `epoch_learning_rate` | the epoch, **from 0** |
/// | `<log_dir>/train`, by `update_freq` | `batch_loss`, ... | training steps of this `fit`, from 1 |
/// | `<log_dir>/validation` | `epoch_loss`, ..., without `val_` | the epoch, **from 0** |
/// | `<log_dir>/validation` | `evaluation_loss_vs_iterations`, ... | steps of the model so far |
///
/// The epoch is counted from 0 as in Keras, so that the curves of both begin at the same place. The
/// rate is that of the epoch's last step; Keras writes that of the next one.
///
/// Each `fit` writes new files, and each value as soon as it is known, so that a run that breaks
/// keeps what it has reported. The directories are made if there are none. Added to
/// [`Evaluate`](crate::Evaluate), it writes the `evaluation_` values. Of Keras' callback, graphs,
/// histograms, images, embeddings and profiles are missing.
///
/// In a distributed run the first process writes, and a [`Frequency::Time`], which each process would
/// measure for itself, is an [`Error::Argument`](crate::Error::Argument).
///
/// What cannot be written ends the call with [`Error::Io`](crate::Error::Io), which names the file.
#[derive(Debug)]
pub struct TensorBoard {
    log_dir: PathBuf,
    update_freq: Frequency,
    training: bool,
    /// Whether this is the process that writes.
    writes: bool,
    steps: u64,
    /// When the scores of a step were written last.
    since: Instant,
    train: Option<EventFile>,
    validation: Option<EventFile>,
    /// The result of writing the scores of a step, until the next hook returns it.
    written: Result<()>,
}

impl TensorBoard {
    /// Writes below `log_dir` after each epoch.
    pub fn new(log_dir: impl Into<PathBuf>) -> Self {
        TensorBoard {
            log_dir: log_dir.into(),
            update_freq: Frequency::Epoch,
            training: false,
            writes: false,
            steps: 0,
            since: Instant::now(),
            train: None,
            validation: None,
            written: Ok(()),
        }
    }

    /// With [`Frequency::Batches`] or [`Frequency::Time`], also writes the running scores of the
    /// epoch after so many steps or so much time, which are read from the device for it and make
    /// training wait. After each epoch only by default.
    #[must_use]
    pub fn update_freq(mut self, frequency: Frequency) -> Self {
        self.update_freq = frequency;
        self
    }

    /// Writes values at `step` to the files of `run`; `tag` stands before and after their names.
    fn write(
        &mut self,
        run: Run,
        step: u64,
        tag: [&str; 2],
        values: &[(String, f64)],
    ) -> Result<()> {
        if !self.writes {
            return Ok(());
        }
        let (name, file) = match run {
            Run::Train => ("train", &mut self.train),
            Run::Validation => ("validation", &mut self.validation),
        };
        let file = match file {
            Some(file) => file,
            None => file.insert(EventFile::create(&self.log_dir.join(name))?),
        };
        let [before, after] = tag;
        values.iter().try_for_each(|(name, value)| {
            file.scalar(&format!("{before}{name}{after}"), step, *value)
        })
    }
}

/// A run, in TensorBoard's words: a directory of files that it shows as one curve.
#[derive(Clone, Copy)]
enum Run {
    Train,
    Validation,
}

impl Callback for TensorBoard {
    fn train_begin(&mut self, run: &mut dyn Control, _train: &TrainStart) -> Result<()> {
        self.update_freq.check("update_freq")?;
        let process = run.process();
        if process.count > 1 && matches!(self.update_freq, Frequency::Time(_)) {
            let problem = "is a time, which each process of a distributed run measures for itself, and \
                           reading the scores takes all of them; give Batches";
            return Err(Error::argument("update_freq", problem));
        }
        self.writes = process.is_first();
        (self.training, self.steps, self.written) = (true, 0, Ok(()));
        (self.validation, self.since) = (None, Instant::now());
        // A directory that cannot be written to is an error before the first epoch, not after it.
        self.train = match self.writes {
            true => Some(EventFile::create(&self.log_dir.join("train"))?),
            false => None,
        };
        Ok(())
    }

    fn batch_begin(&mut self, _run: &mut dyn Control, _step: usize) -> Result<()> {
        self.steps += 1;
        Ok(())
    }

    fn wants_scores(&mut self, _step: StepEnd) -> bool {
        self.update_freq.includes(self.steps, self.since)
    }

    fn scores(&mut self, _step: StepEnd, scores: &Scores) {
        self.since = Instant::now();
        self.written = self.write(Run::Train, self.steps, ["batch_", ""], &scores.values());
    }

    fn batch_end(&mut self, _run: &mut dyn Control, _step: StepEnd) -> Result<()> {
        std::mem::replace(&mut self.written, Ok(()))
    }

    fn epoch_end(&mut self, _run: &mut dyn Control, record: &EpochRecord) -> Result<()> {
        let step = u64::from(record.epoch.saturating_sub(1));
        let mut values = record.training.values();
        values.push(("learning_rate".into(), record.learning_rate));
        self.write(Run::Train, step, ["epoch_", ""], &values)?;
        if let Some(scores) = &record.validation {
            self.write(Run::Validation, step, ["epoch_", ""], &scores.values())?;
        }
        Ok(())
    }

    fn test_end(&mut self, run: &mut dyn Control, scores: &Scores) -> Result<()> {
        self.writes = run.process().is_first();
        let tag = ["evaluation_", "_vs_iterations"];
        self.write(Run::Validation, run.steps(), tag, &scores.values())?;
        if !self.training {
            self.validation = None;
        }
        Ok(())
    }

    fn train_end(&mut self, _run: &mut dyn Control, _history: &History) -> Result<()> {
        (self.training, self.train, self.validation) = (false, None, None);
        Ok(())
    }
}
