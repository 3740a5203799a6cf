//! The file of `--history`.

use std::ffi::OsStr;
use std::path::Path;

use anyhow::bail;
use minibatch::atomic_write;
use minibatch::training::{History, Scores};
use serde::Serialize;

/// How a history is written, by the file's extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Csv,
}

impl Format {
    /// # Errors
    /// If the file's name ends in neither.
    pub(crate) fn of(path: &Path) -> anyhow::Result<Self> {
        let extension = path.extension().map(OsStr::to_ascii_lowercase);
        match extension.as_ref().and_then(|extension| extension.to_str()) {
            Some("json") => Ok(Format::Json),
            Some("csv") => Ok(Format::Csv),
            _ => bail!("--history {}: give a file name that ends in .json or .csv", path.display()),
        }
    }
}

/// A training run.
#[derive(Debug, Serialize)]
pub(crate) struct Run {
    #[serde(flatten)]
    pub history: History,
    /// `None` if training was ended by Ctrl-C.
    pub test: Option<Scores>,
    pub adapter: String,
    pub backend: &'static str,
    pub seed: u64,
    pub batch_size: usize,
    pub steps_per_epoch: usize,
}

impl Run {
    /// Writes it; the file is whole, or as it was. A `.csv` holds the epochs only.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let text = match Format::of(path)? {
            Format::Json => serde_json::to_string_pretty(self)? + "\n",
            Format::Csv => self.history.to_csv(),
        };
        Ok(atomic_write(path, text.as_bytes())?)
    }
}
