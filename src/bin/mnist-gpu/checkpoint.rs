//! The directory of `--checkpoint`: what keeps two runs out of it, and whether the run in it is the
//! one that is to go on.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use minibatch::callbacks::{Backup, BackupAndRestore, Frequency};
use minibatch::data::{Field, Source};
use minibatch::distributed::Process;
use minibatch::training::EpochRecord;

use crate::{args, print, source};

/// The file that is locked.
const LOCK: &str = "lock";

/// Where the backups hold the device's name, which is no setting.
const DEVICE: &str = "device";

/// The directory, which belongs to this process until the value is dropped. Of the processes of a
/// distributed run the first has it; the others neither look into it nor change it.
pub(crate) struct Checkpoint {
    directory: PathBuf,
    backup: BackupAndRestore,
    found: Option<Backup>,
    /// `None` in a process that is not the first.
    lock: Option<Lock>,
}

impl Checkpoint {
    /// Makes the directory if there is none, and locks it.
    ///
    /// # Errors
    /// If it cannot be made, another process has it, it holds a checkpoint and `resume` is not set,
    /// or if no checkpoint in it is whole.
    pub(crate) fn open(
        directory: &Path,
        every: Option<Frequency>,
        resume: bool,
        process: Process,
    ) -> anyhow::Result<Self> {
        let named = || format!("--checkpoint {}", directory.display());
        // The last two: a damaged one costs what was done since the one before.
        let backup = BackupAndRestore::new(directory)
            .save_freq(every.unwrap_or_default())
            .delete_checkpoint(false)
            .keep(2);
        if !process.is_first() {
            return Ok(Checkpoint { directory: directory.into(), backup, found: None, lock: None });
        }
        fs::create_dir_all(directory).with_context(named)?;
        let lock = Lock::take(directory).with_context(named)?;
        let found = backup.latest();
        if !resume {
            ensure!(
                matches!(found, Ok(None)),
                "{}: holds the checkpoint of a run; give --resume to go on from it, another \
                 directory, or remove it",
                named()
            );
        }
        let found = found.with_context(named)?;
        Ok(Checkpoint { directory: directory.into(), backup, found, lock: Some(lock) })
    }

    /// Looks whether what is there is of this run, and says where it goes on: with `say`, or on
    /// standard error what the user must know.
    ///
    /// # Errors
    /// If it is of a run with other data or settings, the differences named, or has more epochs
    /// behind it than are asked for.
    pub(crate) fn check(
        &mut self,
        settings: &[(&str, String)],
        device: &str,
        epochs: u32,
        say: impl Fn(&str) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let device_note = (DEVICE.to_owned(), device.to_owned());
        let notes = settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        let notes: BTreeMap<_, _> = notes.chain([device_note]).collect();
        self.backup = self.backup.clone().notes(notes);
        let directory = self.directory.display();
        let Some(found) = &self.found else {
            return say(&format!("checkpoint: none in {directory} yet"));
        };
        let path = found.path.display();
        let differences = differences(settings, &found.notes);
        ensure!(
            differences.is_empty(),
            "--checkpoint {directory}: {path} is of another run: {}; give what that run was given, \
             or another directory",
            differences.join("; ")
        );
        let begun = found.epochs + u32::from(found.steps > 0);
        ensure!(
            begun <= epochs,
            "--epochs {epochs}: {path} is in epoch {begun} already; give at least {begun}"
        );
        for error in &found.damaged {
            print::aside(&format!("checkpoint: {error}; going on from the one before, {path}"));
        }
        if let Some(other) = found.notes.get(DEVICE).filter(|&other| other != device) {
            print::aside(&format!(
                "checkpoint: {path} was made on {other}; on {device} the bits will be others than \
                 if the run had never broken"
            ));
        }
        match found.steps {
            0 => say(&format!("checkpoint: going on after epoch {}, {path}", found.epochs)),
            steps => {
                say(&format!("checkpoint: going on in epoch {begun} after step {steps}, {path}"))
            }
        }
    }

    /// What makes the backups.
    pub(crate) fn callback(&mut self) -> &mut BackupAndRestore {
        &mut self.backup
    }

    /// The epochs that were done before this run.
    pub(crate) fn history(&self) -> &[EpochRecord] {
        self.found.as_ref().map_or(&[], |found| &found.history)
    }

    /// Removes what the run has left there, and the directory if nothing else is in it.
    ///
    /// # Errors
    /// If a file cannot be removed.
    pub(crate) fn remove(self) -> anyhow::Result<()> {
        let Checkpoint { directory, backup, lock, .. } = self;
        let Some(lock) = lock else {
            return Ok(());
        };
        let removed = backup.remove();
        drop(lock);
        removed.with_context(|| format!("--checkpoint {}", directory.display()))?;
        // It stays if someone else has put something there.
        let _ = fs::remove_dir(&directory);
        Ok(())
    }
}

/// Refuses a result's path that has a name which the checkpoint's directory keeps for its own files,
/// and removes in the end.
///
/// # Errors
/// If it has one.
pub(crate) fn check_not_ours(directory: &Path, path: &Path) -> anyhow::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let ours = name == LOCK || name.starts_with("after-epoch-");
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    let same = match (parent.canonicalize(), directory.canonicalize()) {
        (Ok(parent), Ok(directory)) => parent == directory,
        _ => false,
    };
    ensure!(!(ours && same), "is a name of the checkpoint's own files; give another");
    Ok(())
}

/// A lock of the operating system's on a file in the directory: it ends with the process, however
/// that ends.
struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    fn take(directory: &Path) -> anyhow::Result<Self> {
        let path = directory.join(LOCK);
        let refused = || format!("cannot lock {}", path.display());
        let file = File::options().create(true).append(true).open(&path).with_context(refused)?;
        match file.try_lock() {
            Ok(()) if is_at_its_place(&file) => Ok(Lock { path, _file: file }),
            Ok(()) | Err(TryLockError::WouldBlock) => bail!(
                "another process is training with this directory; wait for its end, or give \
                 another directory"
            ),
            Err(TryLockError::Error(error)) => Err(error).with_context(refused),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // While it is still locked: nobody else can have it then.
        let _ = fs::remove_file(&self.path);
    }
}

/// Whether the file was not removed between its opening and its locking, by a process that ended.
#[cfg(unix)]
fn is_at_its_place(file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;

    file.metadata().is_ok_and(|metadata| metadata.nlink() > 0)
}

/// A file that is open cannot be removed there.
#[cfg(not(unix))]
fn is_at_its_place(_: &File) -> bool {
    true
}

/// What a run depends on, and its checkpoints must have been made with: the data and all arguments
/// but those that change nothing in what is learned. `data` are the training samples in their own
/// order, of which `buffer` are shuffled at a time if they are streamed.
///
/// # Errors
/// If the data cannot be read.
pub(crate) fn settings(
    args: &args::Train,
    data: &Source,
    buffer: Option<usize>,
    network: &str,
    learning_rate: f64,
) -> anyhow::Result<Vec<(&'static str, String)>> {
    // Each argument is named, so that a new one is not forgotten here.
    let args::Train {
        data: args::Data { path: _, synthetic: _, mirror: _, seed },
        table: args::Table { target, test: _ },
        reading: args::Reading { stream: _, shuffle_buffer: _ },
        loading: args::Loading { workers: _, queue: _ },
        backend: _,
        sharing,
        batch_size,
        micro_batch,
        precision,
        augment,
        epochs: _,
        hidden: _,
        dropout,
        optimizer,
        learning_rate: _,
        validation_split,
        no_shuffle,
        steps_per_epoch,
        verbose: _,
        save: _,
        history: _,
        checkpoint: _,
        checkpoint_every: _,
        resume: _,
        plot: _,
        profile: _,
        // Changes no bit.
        steps_per_submit: _,
    } = args;
    let steps = steps_per_epoch.map_or_else(|| "all".to_owned(), |steps| steps.to_string());
    let shuffling = match (buffer, no_shuffle) {
        (Some(samples), _) => source::streamed(samples),
        (None, true) => "off".to_owned(),
        (None, false) => "on".to_owned(),
    };
    let augmentation = augment.map_or_else(|| "none".to_owned(), |how| format!("{how:?}"));
    let mut settings = data_settings(data)?;
    if let Some(target) = target {
        settings.push(("target", target.clone()));
    }
    match precision {
        // As in runs of before there was a choice.
        args::Precision::F32 => {}
        args::Precision::MixedFloat16 => settings.push(("precision", "mixed_float16".to_owned())),
    }
    // As in runs of before there was a choice. How many processes share them changes no bit.
    if let Some(shards) = sharing.shards() {
        settings.push(("shards", shards.to_string()));
    }
    settings.extend([
        ("network", network.to_owned()),
        ("dropout", dropout.to_string()),
        ("optimizer", format!("{optimizer:?}").to_lowercase()),
        ("learning rate", learning_rate.to_string()),
        ("batch size", batch_size.to_string()),
        (
            "micro-batch",
            micro_batch.map_or_else(|| "as the device needs".to_owned(), |rows| rows.to_string()),
        ),
        ("steps per epoch", steps),
        ("shuffling", shuffling),
        ("augmentation", augmentation.to_lowercase()),
        ("validation split", validation_split.to_string()),
        ("seed", seed.to_string()),
    ]);
    Ok(settings)
}

/// What tells these samples from others: how many, their shapes, and a checksum of 1,024 of them.
fn data_settings(data: &Source) -> anyhow::Result<Vec<(&'static str, String)>> {
    let or_unknown = |text: Option<String>| text.unwrap_or_else(|| "unknown".to_owned());
    let shape = |field: &Field| {
        let sizes: Vec<String> = field.shape.iter().map(usize::to_string).collect();
        sizes.join("x")
    };
    let fields = data.fields();
    let shapes: Vec<String> = fields.inputs().iter().map(shape).collect();
    let checksum = data.checksum()?.map(|checksum| format!("{checksum:08x}"));
    Ok(vec![
        ("training samples", or_unknown(data.len().map(|samples| samples.to_string()))),
        ("sample shape", shapes.join(", ")),
        ("checksum of the data", or_unknown(checksum)),
    ])
}

/// In words, where the settings of this run and those that a checkpoint notes are not the same.
fn differences(settings: &[(&str, String)], notes: &BTreeMap<String, String>) -> Vec<String> {
    let mut differences = Vec::new();
    for (name, own) in settings {
        let noted = notes.get(*name).map_or("none", String::as_str);
        if noted != own {
            differences.push(format!("{name}: the checkpoint has {noted}, this run {own}"));
        }
    }
    let ours = |name: &str| name == DEVICE || settings.iter().any(|(own, _)| *own == name);
    let only_there = notes.iter().filter(|(name, _)| !ours(name));
    differences.extend(
        only_there
            .map(|(name, noted)| format!("{name}: the checkpoint has {noted}, this run none")),
    );
    differences
}
