//! A run that goes on after it was broken.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::backup_note::BackupNote;
use super::frequency::Frequency;
use crate::atomic_write::UNFINISHED;
use crate::clock::Instant;
use crate::error::{Error, Result};
use crate::model::read_note;
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
/// When training has ended, also because a callback stopped it, the backup is removed. A model with
/// a parameter that is not finite ends the run with [`Error::NonFinite`] when it is to be backed up:
/// the backup before it stays.
///
/// The directory holds one file, [`Model::save`](crate::Model::save)'s, whose name says how far the
/// run had come: `after-epoch-3.safetensors`, `after-epoch-3-step-120-of-1875.safetensors`; with
/// [`keep`](Self::keep), the last few. It belongs to one run alone. A file that is damaged is passed
/// over if there is an older one; else, or if it is of another model, it is an error, which names it,
/// before the model is changed: remove the file to begin anew. [`latest`](Self::latest) tells
/// beforehand what a `fit` will find.
///
/// In a distributed run the first process keeps the backups, and goes on from them; the others take its
/// state and its place over.
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
    keep: usize,
    notes: BTreeMap<String, String>,
    /// How far the run is.
    position: Position,
    /// How far it was when the last backup was asked for, or in the one that it goes on from.
    saved: Option<Position>,
    /// The backups that stay, oldest first.
    kept: Vec<PathBuf>,
    /// The epochs that are done, those before this `fit` included.
    done: Vec<EpochRecord>,
    /// Steps of this `fit`.
    steps: u64,
    /// When the last backup was written.
    since: Instant,
    /// Whether a backup is to be made at the end of this epoch.
    due: bool,
    /// Whether a callback before this one stopped training in the last step.
    stopped: bool,
}

/// A backup that is whole: what [`BackupAndRestore`] goes on from.
#[derive(Debug)]
#[non_exhaustive]
pub struct Backup {
    /// Its file.
    pub path: PathBuf,
    /// Epochs that are done.
    pub epochs: u32,
    /// Steps of the next epoch that are done.
    pub steps: usize,
    /// Steps that the epoch has; 0 where `steps` is 0, or if that is not known.
    pub steps_per_epoch: usize,
    /// The [notes](BackupAndRestore::notes) of the run that it was made in.
    pub notes: BTreeMap<String, String>,
    /// The epochs that were done, with their scores, from the run's beginning.
    pub history: Vec<EpochRecord>,
    /// What is wrong with the backups after it, the newest first; none, as a rule.
    pub damaged: Vec<Error>,
    /// Those before it, which nobody has looked at, oldest first.
    older: Vec<PathBuf>,
}

impl BackupAndRestore {
    /// A backup in `backup_dir` after each epoch. The directory is made if there is none.
    pub fn new(backup_dir: impl Into<PathBuf>) -> Self {
        BackupAndRestore {
            backup_dir: backup_dir.into(),
            save_freq: Frequency::Epoch,
            delete_checkpoint: true,
            keep: 1,
            notes: BTreeMap::new(),
            position: Position::default(),
            saved: None,
            kept: Vec::new(),
            done: Vec::new(),
            steps: 0,
            since: Instant::now(),
            due: false,
            stopped: false,
        }
    }

    settings! {
        /// When to make a backup; after each epoch by default. Each reads the whole model from the
        /// device. How often changes nothing in what is trained.
        save_freq(frequency: Frequency): save_freq = frequency;

        /// Whether to remove the backups, and the directory if it is empty then, when training has
        /// ended; true by default. If they are kept, there is one of the end too, also where a
        /// callback stopped training, and the next `fit` goes on from there: with the same number
        /// of epochs, none is left to run. [`remove`](Self::remove) removes them later.
        delete_checkpoint(delete: bool): delete_checkpoint = delete;

        /// How many of the last backups stay, at least 1; 1 by default. With 2, a file that the
        /// disk has damaged costs the steps between two backups and not the run.
        keep(backups: usize): keep = backups;

        /// Text that each backup holds under these names, for [`latest`](Self::latest) to tell
        /// whether it is of the same run; nothing by default. What it says changes nothing here.
        notes(notes: BTreeMap<String, String>): notes = notes;
    }

    /// The last backup in the directory that is whole; `None` if there is none at all.
    ///
    /// # Errors
    /// [`Error::Io`] if the directory cannot be read. If there are backups and none is whole, what is
    /// wrong with the newest, an [`Error::Io`] or [`Error::ModelFile`], which names the others too.
    pub fn latest(&self) -> Result<Option<Backup>> {
        let backups = files(&self.backup_dir)?.into_iter();
        let mut backups: Vec<_> =
            backups.filter_map(|path| Some((Position::of(&path)?, path))).collect();
        backups.sort_unstable();
        let mut damaged = Vec::new();
        while let Some((Position { epochs, steps, steps_per_epoch }, path)) = backups.pop() {
            let note = match read_note(&path) {
                Ok(note) => BackupNote::parse(&note.unwrap_or_default()),
                Err(error) => {
                    damaged.push(error);
                    continue;
                }
            };
            let (history, notes) = (note.epochs(), note.notes);
            let older = backups.into_iter().map(|(_, path)| path).collect();
            return Ok(Some(Backup {
                path,
                epochs,
                steps,
                steps_per_epoch,
                notes,
                history,
                damaged,
                older,
            }));
        }
        none_whole(damaged).map_or(Ok(None), Err)
    }

    /// Removes the backups, and the directory if it is empty then.
    ///
    /// # Errors
    /// [`Error::Io`] if one cannot be removed.
    pub fn remove(&self) -> Result<()> {
        self.remove_all_but(&[])?;
        // It stays if someone else has put something there.
        let _ = std::fs::remove_dir(&self.backup_dir);
        Ok(())
    }

    fn save(&mut self, run: &mut dyn Control) {
        let path = self.backup_dir.join(self.position.file_name());
        let note = BackupNote::new(&self.notes, &self.done).to_text();
        run.request(Request::SaveWithNote { path, note });
        self.saved = Some(self.position);
    }

    fn remove_all_but(&self, kept: &[PathBuf]) -> Result<()> {
        for path in files(&self.backup_dir)? {
            let ours = Position::of(&path).is_some() || name(&path).starts_with(UNFINISHED);
            if ours && !kept.contains(&path) {
                std::fs::remove_file(&path).map_err(Error::io("remove", &path))?;
            }
        }
        Ok(())
    }
}

impl Callback for BackupAndRestore {
    fn resume(&mut self, run: &mut dyn Control, train: &TrainStart) -> Result<Option<Resume>> {
        self.save_freq.check("save_freq")?;
        if self.keep == 0 {
            return Err(Error::argument("keep", "is 0; give at least 1"));
        }
        (self.position, self.saved) = (Position::default(), None);
        (self.kept, self.done) = (Vec::new(), Vec::new());
        if !run.process().is_first() {
            return Ok(None);
        }
        let Some(backup) = self.latest()? else {
            return Ok(None);
        };
        let Backup { path, epochs, steps, steps_per_epoch, history, older, .. } = backup;
        if steps > 0 && steps_per_epoch != train.steps.unwrap_or(0) {
            let problem = format!(
                "was made in an epoch of {steps_per_epoch} steps, and those of this call have {}; \
                 give it the batch size and steps_per_epoch of the run that broke, or remove the \
                 file",
                train.steps.unwrap_or(0)
            );
            return Err(Error::ModelFile { path, problem, source: None });
        }
        (self.kept, self.done) = (older, history);
        self.kept.push(path.clone());
        self.position = Position::at(epochs, steps, train.steps.unwrap_or(0));
        self.saved = Some(self.position);
        run.request(Request::Restore(path));
        Ok(Some(Resume::new(epochs, steps)))
    }

    fn train_begin(&mut self, run: &mut dyn Control, _train: &TrainStart) -> Result<()> {
        (self.steps, self.due, self.since) = (0, false, Instant::now());
        if !run.process().is_first() {
            return Ok(());
        }
        // A directory that cannot be written to is an error before the first epoch, not after it.
        let directory = &self.backup_dir;
        std::fs::create_dir_all(directory).map_err(Error::io("create", directory))
    }

    fn epoch_begin(&mut self, _run: &mut dyn Control, epoch: EpochStart) -> Result<()> {
        // The steps of an epoch that was broken off count from the first one that runs.
        let steps_per_epoch = epoch.steps.unwrap_or(0);
        self.position = Position::at(epoch.epoch.saturating_sub(1), 0, steps_per_epoch);
        Ok(())
    }

    fn batch_end(&mut self, run: &mut dyn Control, step: StepEnd) -> Result<()> {
        self.steps += 1;
        (self.position.steps, self.stopped) = (step.step, run.stopped());
        if self.save_freq.includes(self.steps, self.since) {
            // An epoch is done only after its validation and what callbacks make of it.
            self.due = self.position.is_at_end() == Some(true);
            if !self.due {
                self.save(run);
            }
        }
        Ok(())
    }

    fn epoch_end(&mut self, run: &mut dyn Control, record: &EpochRecord) -> Result<()> {
        let due = std::mem::take(&mut self.due) || self.save_freq == Frequency::Epoch;
        // One that a callback stopped after a step is not done, unless that was its last step.
        if self.position.is_at_end().unwrap_or(!self.stopped) {
            self.position = Position::at(record.epoch, 0, self.position.steps_per_epoch);
            self.done.push(record.clone());
            if due {
                self.save(run);
            }
        }
        Ok(())
    }

    fn data_failed(&mut self, run: &mut dyn Control, _error: &Error) -> Result<()> {
        // At an epoch's end it is saved as of any other run: only inside one there is more to keep.
        let inside = self.position.steps > 0 && self.position.is_at_end() == Some(false);
        if inside && self.saved != Some(self.position) {
            self.save(run);
        }
        Ok(())
    }

    fn train_end(&mut self, run: &mut dyn Control, _history: &History) -> Result<()> {
        if self.delete_checkpoint {
            return if run.process().is_first() { self.remove() } else { Ok(()) };
        }
        if self.saved != Some(self.position) {
            self.save(run);
        }
        Ok(())
    }

    fn answer(&mut self, run: &mut dyn Control, answer: Answer) -> Result<()> {
        let Answer::Saved(path) = answer else {
            return Ok(());
        };
        self.since = Instant::now();
        if !run.process().is_first() {
            return Ok(());
        }
        self.kept.retain(|kept| *kept != path);
        self.kept.push(path);
        self.kept.drain(..self.kept.len().saturating_sub(self.keep));
        // The older ones are removed only when the new one is whole; so are damaged ones.
        self.remove_all_but(&self.kept)
    }
}

/// What is wrong with all backups in one error, that of the newest; `None` if there are none.
fn none_whole(damaged: Vec<Error>) -> Option<Error> {
    let mut damaged = damaged.into_iter();
    let newest = damaged.next()?;
    let others: Vec<String> = damaged.map(|error| error.to_string()).collect();
    if others.is_empty() {
        return Some(newest);
    }
    let (path, problem, source) = match newest {
        Error::ModelFile { path, problem, source } => (path, problem, source),
        Error::Io { path, source, .. } => {
            (path, format!("cannot be read: {source}"), Some(source.into()))
        }
        other => return Some(other),
    };
    let others = others.join("; ");
    let problem = format!("{problem}; {others}; no backup is whole: remove them to begin anew");
    Some(Error::ModelFile { path, problem, source })
}

/// How far a run has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Position {
    /// Epochs that are done.
    epochs: u32,
    /// Steps of the next one that are done.
    steps: usize,
    /// Steps that it has; 0 if that is not known.
    steps_per_epoch: usize,
}

impl Position {
    fn at(epochs: u32, steps: usize, steps_per_epoch: usize) -> Self {
        Position { epochs, steps, steps_per_epoch }
    }

    /// Whether all steps of the epoch are done; `None` if it is not known how many it has.
    fn is_at_end(self) -> Option<bool> {
        (self.steps_per_epoch > 0).then_some(self.steps >= self.steps_per_epoch)
    }

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
