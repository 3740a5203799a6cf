//! Saves the model while it is trained.

use std::path::Path;

use super::monitor::{Mode, Monitor, check_number};
use super::path_pattern::PathPattern;
use crate::error::{Error, Result};
use crate::training::callback::{Callback, TrainStart};
use crate::training::control::{Control, Request};
use crate::training::history::EpochRecord;
use crate::training::settings::settings;

/// Saves the model after its epochs, as [`Model::save`](crate::Model::save) does, by the rule of
/// [Keras 3](https://keras.io/api/callbacks/model_checkpoint/).
///
/// The path may hold values of the epoch: `{epoch}` (from 1), `{epoch:02}` or `{val_loss:.2f}`, as
/// Python would format them; `{{` and `}}` stand for the braces themselves. Its directory is made
/// if there is none. An epoch in which a value that is monitored or part of the path was not
/// measured (one not validated, by `validation_freq`) saves nothing; Keras would save it as if it
/// were the best, or fail. In a distributed run the first process saves.
#[derive(Debug, Clone)]
pub struct ModelCheckpoint {
    filepath: String,
    pattern: Option<PathPattern>,
    monitor: Monitor,
    save_best_only: bool,
    save_freq: u32,
    initial_value_threshold: Option<f64>,
    best: Option<f64>,
}

impl ModelCheckpoint {
    /// Saves after every epoch to `filepath`.
    pub fn new(filepath: impl Into<String>) -> Self {
        ModelCheckpoint {
            filepath: filepath.into(),
            pattern: None,
            monitor: Monitor::default(),
            save_best_only: false,
            save_freq: 1,
            initial_value_threshold: None,
            best: None,
        }
    }

    settings! {
        /// The value that tells which epoch is the best, by its name in [`EpochRecord::values`];
        /// `val_loss` by default. Of no use without `save_best_only`.
        monitor(name: impl Into<String>): monitor.name = name.into();

        /// Which way is better; by the value's name by default.
        mode(mode: Mode): monitor.mode = mode;

        /// Whether to save only what is better than all saved before; false by default.
        save_best_only(best_only: bool): save_best_only = best_only;

        /// Saves, or compares, only after epochs whose number is a multiple of this, at least 1; 1
        /// by default. (Keras' `save_freq` counts batches if it is a number, and is `"epoch"`
        /// else.)
        every_epochs(epochs: u32): save_freq = epochs;

        /// What the first epoch to be saved must be better than already; none by default. Of no use
        /// without `save_best_only`.
        initial_value_threshold(value: f64): initial_value_threshold = Some(value);
    }

    /// The value of the best epoch of the last run, or the threshold.
    #[must_use]
    pub fn best(&self) -> Option<f64> {
        self.best
    }

    fn is_best(&mut self, record: &EpochRecord) -> bool {
        match record.value(&self.monitor.name) {
            Some(value) if self.monitor.is_better(value, self.best, 0.0) => {
                self.best = Some(value);
                true
            }
            _ => false,
        }
    }
}

impl Callback for ModelCheckpoint {
    fn train_begin(&mut self, run: &mut dyn Control, train: &TrainStart) -> Result<()> {
        if self.save_freq == 0 {
            return Err(Error::argument("every_epochs", "is 0; give at least 1"));
        }
        if self.save_best_only {
            self.monitor.check(&train.names, run.process())?;
        }
        if let Some(threshold) = self.initial_value_threshold {
            check_number("initial_value_threshold", threshold)?;
        }
        self.pattern = Some(PathPattern::parse(&self.filepath, &train.names)?);
        // As in Keras, what an earlier fit has reached still counts.
        self.best = self.best.or(self.initial_value_threshold);
        Ok(())
    }

    fn epoch_end(&mut self, run: &mut dyn Control, record: &EpochRecord) -> Result<()> {
        let path = self.pattern.as_ref().and_then(|pattern| pattern.path(record));
        let due = record.epoch.is_multiple_of(self.save_freq);
        if let Some(path) = path.filter(|_| due)
            && (!self.save_best_only || self.is_best(record))
        {
            let path = Path::new(&path);
            if let Some(directory) = path.parent().filter(|_| run.process().is_first()) {
                std::fs::create_dir_all(directory).map_err(Error::io("create", directory))?;
            }
            run.request(Request::Save(path.into()));
        }
        Ok(())
    }
}
