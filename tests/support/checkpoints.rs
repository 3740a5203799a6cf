//! The checkpoints that a run has left in a directory, by their names.

use std::fs;
use std::path::{Path, PathBuf};

/// How many steps are behind the last one in `directory`, of a run whose epochs have `of_epoch` steps.
pub(crate) fn reached(directory: &Path, of_epoch: usize) -> usize {
    checkpoints(directory, of_epoch).last().and_then(|path| steps(path, of_epoch)).unwrap_or(0)
}

/// From the first to the last.
pub(crate) fn checkpoints(directory: &Path, of_epoch: usize) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let mut paths: Vec<_> =
        paths.filter_map(|path| Some((steps(&path, of_epoch)?, path))).collect();
    paths.sort();
    paths.into_iter().map(|(_, path)| path).collect()
}

/// The steps that a checkpoint's name tells.
pub(crate) fn steps(path: &Path, of_epoch: usize) -> Option<usize> {
    let name = path.file_name()?.to_str()?;
    let stem = name.strip_prefix("after-epoch-")?.strip_suffix(".safetensors")?;
    match stem.split_once("-step-") {
        None => Some(stem.parse::<usize>().ok()? * of_epoch),
        Some((epochs, step)) => {
            let (step, of) = step.split_once("-of-")?;
            assert_eq!(of.parse(), Ok(of_epoch));
            Some(epochs.parse::<usize>().ok()? * of_epoch + step.parse::<usize>().ok()?)
        }
    }
}
