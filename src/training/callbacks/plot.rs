//! A picture of the run so far.

use std::ffi::OsStr;
use std::path::PathBuf;

use crate::atomic_write::atomic_write;
use crate::error::{Error, Result};
use crate::training::callback::{Callback, TrainStart};
use crate::training::control::Control;
use crate::training::curves::learning_curves;
use crate::training::history::{EpochRecord, History};
use crate::training::settings::settings;

/// Draws loss and metrics after each epoch, as R's keras does while it trains: a panel for each
/// value, training as a solid line with points, validation dashed. A value that is not a finite
/// number is left out, and its line broken there.
///
/// The file is replaced at once, so that who looks at it never sees half of it. A page (`.html`)
/// loads itself again until training has ended. Where training begins after an
/// [`initial_epoch`](crate::Fit::initial_epoch), the epochs before it are in the picture if the
/// same callback has seen them.
///
/// In a distributed run the first process draws. What cannot be written ends the call with [`Error::Io`], which names the file.
#[derive(Debug)]
pub struct Plot {
    path: PathBuf,
    title: String,
    reload: u32,
    epochs: Vec<EpochRecord>,
}

impl Plot {
    /// Draws to `path`, which ends in `.svg` or `.html`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Plot { path: path.into(), title: String::new(), reload: 2, epochs: Vec::new() }
    }

    settings! {
        /// What stands above the picture; nothing by default.
        title(title: impl Into<String>): title = title.into();

        /// Seconds until a page loads itself again; 2 by default.
        reload(seconds: u32): reload = seconds;
    }

    /// `running`: whether more epochs may follow.
    fn draw(&self, run: &dyn Control, running: bool) -> Result<()> {
        let figure = learning_curves(&self.title, &[("", &self.epochs)]);
        let extension = self.path.extension().map(OsStr::to_ascii_lowercase);
        let text = match extension.as_ref().and_then(|extension| extension.to_str()) {
            Some("svg") => figure.to_svg(),
            Some("html") => figure.to_html(running.then_some(self.reload)),
            _ => {
                let path = self.path.display();
                let problem = format!("is {path}; give a file name that ends in .svg or .html");
                return Err(Error::argument("path", problem));
            }
        };
        match run.process().is_first() {
            true => atomic_write(&self.path, text.as_bytes()),
            false => Ok(()),
        }
    }
}

impl Callback for Plot {
    fn train_begin(&mut self, run: &mut dyn Control, train: &TrainStart) -> Result<()> {
        self.epochs.retain(|record| record.epoch <= train.initial_epoch);
        // A page can be opened from now on, and a file that cannot be written is found out now.
        self.draw(run, true)
    }

    fn epoch_end(&mut self, run: &mut dyn Control, record: &EpochRecord) -> Result<()> {
        self.epochs.push(record.clone());
        self.draw(run, true)
    }

    fn train_end(&mut self, run: &mut dyn Control, _history: &History) -> Result<()> {
        self.draw(run, false)
    }
}
