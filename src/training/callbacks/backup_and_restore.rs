//! A run that goes on after it was broken.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::frequency::Frequency;
use crate::atomic_write::UNFINISHED;
use crate::error::{Error, Result};
use crate::training::callback::{Callback, EpochStart, Resume, StepEnd, TrainStart};
use crate::training::control::{Answer, Control, Request};
use crate::training::history::{EpochRecord, History};
use crate::training::settings::settings;

/// Keeps a backup of the model while it is trained, and continues from it if `fit` is called again
/// after a run that broke, as
/// [Keras' callback](https://keras.io/api/callbacks/backup_and_restore/): by an error, a kill, a
/// lost device.
///
/// The model of the second call is built as that of the first was, and the call has the same
/// arguments. It then goes on where the backup was made, inside an epoch too, and ends, on the same
/// device, with the same bits as a run that was never broken: weights, optimizer state, learning
/// rate, order of the samples, dropout. If there is a backup, `initial_epoch` does not matter. The
/// history holds what ran in this call, and the scores of an epoch that was broken are those of its
/// steps in this call. Other callbacks start from their beginning. Add it last, so that the backup
/// includes what they did to the model.
///
/// When training has ended, also because a callback stopped it, the backup is removed.
///
/// The directory holds one file, [`Model::save`](crate::Model::save)'s, whose name says how far the
/// run had come: `after-epoch-3.safetensors`, `after-epoch-3-step-120-of-1875.safetensors`. It
/// belongs to one run alone. A file that is damaged or of another model is an error, which names
/// it, before the model is changed: remove the file to begin anew.
///
/// ```
/// use minibatch::callbacks::BackupAndRestore;
/// # use minibatch::{Activation, Adam, Cpu, Fit, Loss, Sequential};
/// # fn main() -> minibatch::Result<()> {
/// # let data = minibatch::data::synthetic_digits(64, 0)?;
/// # let mut model = Sequential::new(minibatch::model::Input::pixels(data.sample_shape()))
/// #     .dense(data.classes(), Activation::Softmax)
/// #     .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [])
/// #     .build(&Cpu::new())?;
/// # let directory = std::env::temp_dir().join(format!("minibatch-backup-{}", std::process::id()));
/// // The same lines, whether it is the first attempt or a later one.
/// let mut backup = BackupAndRestore::new(&directory);
/// let history = model.fit(&data, Fit::new().epochs(3).callback(&mut backup))?;
/// # assert_eq!(history.epochs.len(), 3);
/// # assert!(!directory.exists());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct BackupAndRestore {
    backup_dir: PathBuf,
    save_freq: Frequency,
    delete_checkpoint: bool,
    /// Epochs that are done, and steps in each; 0 if that is not known.
    epochs: u32,
    steps_per_epoch: usize,
    /// Steps of this `fit`.
    steps: u64,
    /// Whether a backup is to be made at the end of this epoch.
    due: bool,
}

impl BackupAndRestore {
    /// A backup in `backup_dir` after each epoch. The directory is made if there is none.
    pub fn new(backup_dir: impl Into<PathBuf>) -> Self {
        BackupAndRestore {
            backup_dir: backup_dir.into(),
            save_freq: Frequency::Epoch,
            delete_checkpoint: true,
            epochs: 0,
            steps_per_epoch: 0,
            steps: 0,
            due: false,
        }
    }

    settings! {
        /// When to make a backup; after each epoch by default. Each reads the whole model from the
        /// device.
        save_freq(frequency: Frequency): save_freq = frequency;

        /// Whether to remove the backup, and the directory if it is empty then, when training has
        /// ended; true by default. If it is kept, the next `fit` with it goes on from there: with
        /// the same number of epochs, none is left to run.
        delete_checkpoint(delete: bool): delete_checkpoint = delete;
    }

    fn save(&self, run: &mut dyn Control, position: Position) {
        run.request(Request::Save(self.backup_dir.join(position.file_name())));
    }

    fn remove_all_but(&self, kept: Option<&Path>) -> Result<()> {
        for path in files(&self.backup_dir)? {
            let ours = Position::of(&path).is_some() || name(&path).starts_with(UNFINISHED);
            if ours && Some(&*path) != kept {
                std::fs::remove_file(&path).map_err(Error::io("remove", &path))?;
            }
        }
        Ok(())
    }
}

impl Callback for BackupAndRestore {
    fn resume(&mut self, run: &mut dyn Control, train: &TrainStart) -> Result<Option<Resume>> {
        self.save_freq.check("save_freq")?;
        // After a kill between making one and removing the one before, there are two.
        let backups = files(&self.backup_dir)?.into_iter();
        let backups = backups.filter_map(|path| Some((Position::of(&path)?, path)));
        let Some((position, path)) = backups.max() else {
            return Ok(None);
        };
        let Position { epochs, steps, steps_per_epoch } = position;
        if steps > 0 && steps_per_epoch != train.steps.unwrap_or(0) {
            let problem = format!(
                "was made in an epoch of {steps_per_epoch} steps, and those of this call have {}; \
                 give it the batch size and steps_per_epoch of the run that broke, or remove the \
                 file",
                train.steps.unwrap_or(0)
            );
            return Err(Error::ModelFile { path, problem, source: None });
        }
        run.request(Request::Restore(path));
        Ok(Some(Resume::new(epochs, steps)))
    }

    fn train_begin(&mut self, _run: &mut dyn Control, _train: &TrainStart) -> Result<()> {
        (self.steps, self.due) = (0, false);
        // A directory that cannot be written to is an error before the first epoch, not after it.
        let directory = &self.backup_dir;
        std::fs::create_dir_all(directory).map_err(Error::io("create", directory))
    }

    fn epoch_begin(&mut self, _run: &mut dyn Control, epoch: EpochStart) -> Result<()> {
        self.epochs = epoch.epoch.saturating_sub(1);
        self.steps_per_epoch = epoch.steps.unwrap_or(0);
        Ok(())
    }

    fn batch_end(&mut self, run: &mut dyn Control, step: StepEnd) -> Result<()> {
        self.steps += 1;
        if self.save_freq.includes(self.steps) {
            let (epochs, steps, steps_per_epoch) = (self.epochs, step.step, self.steps_per_epoch);
            // An epoch is done only after its validation and what callbacks make of it.
            self.due = steps_per_epoch > 0 && steps >= steps_per_epoch;
            if !self.due {
                self.save(run, Position { epochs, steps, steps_per_epoch });
            }
        }
        Ok(())
    }

    fn epoch_end(&mut self, run: &mut dyn Control, record: &EpochRecord) -> Result<()> {
        if std::mem::take(&mut self.due) || self.save_freq == Frequency::Epoch {
            let (steps, steps_per_epoch) = (0, self.steps_per_epoch);
            self.save(run, Position { epochs: record.epoch, steps, steps_per_epoch });
        }
        Ok(())
    }

    fn train_end(&mut self, _run: &mut dyn Control, _history: &History) -> Result<()> {
        if self.delete_checkpoint {
            self.remove_all_but(None)?;
            // It stays if someone else has put something there.
            let _ = std::fs::remove_dir(&self.backup_dir);
        }
        Ok(())
    }

    fn answer(&mut self, _run: &mut dyn Control, answer: Answer) -> Result<()> {
        match answer {
            // The older backup is removed only when the new one is whole.
            Answer::Saved(path) => self.remove_all_but(Some(&path)),
            _ => Ok(()),
        }
    }
}

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Position {
    /// Epochs that are done.
    epochs: u32,
    /// Steps of the next one that are done.
    steps: usize,
    /// Steps that it has; 0 if that is not known.
    steps_per_epoch: usize,
}

impl Position {
    fn file_name(self) -> String {
        let Position { epochs, steps, steps_per_epoch } = self;
        match steps {
            0 => format!("after-epoch-{epochs}.safetensors"),
            _ => format!("after-epoch-{epochs}-step-{steps}-of-{steps_per_epoch}.safetensors"),
        }
    }

    /// The position in the name of a backup; `None` for any other file.
    fn of(path: &Path) -> Option<Self> {
        let stem = name(path).strip_prefix("after-epoch-")?.strip_suffix(".safetensors")?;
        let Some((epochs, step)) = stem.split_once("-step-") else {
            return Some(Position { epochs: stem.parse().ok()?, steps: 0, steps_per_epoch: 0 });
        };
        let (steps, of) = step.split_once("-of-")?;
        Some(Position {
            epochs: epochs.parse().ok()?,
            steps: steps.parse().ok()?,
            steps_per_epoch: of.parse().ok()?,
        })
    }
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// What is in a directory; nothing if it does not exist.
fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(Error::io("read", directory))?,
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    paths.collect::<std::io::Result<_>>().map_err(Error::io("read", directory))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_tells_how_far_a_run_is_and_the_furthest_is_the_greatest() {
        let at = |epochs, steps, steps_per_epoch| Position { epochs, steps, steps_per_epoch };
        let order = [at(0, 9, 10), at(2, 0, 0), at(2, 3, 10), at(2, 10, 12), at(10, 0, 0)];
        assert!(order.is_sorted(), "{order:?}");
        for position in order {
            assert_eq!(Position::of(Path::new(&position.file_name())), Some(position));
        }
        for other in ["model.safetensors", "after-epoch-x.safetensors", "after-epoch-3.csv", ".."] {
            assert_eq!(Position::of(Path::new(other)), None);
        }
    }
}
