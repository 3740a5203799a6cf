//! Lowers the learning rate when training no longer gets better.

use super::monitor::{Mode, Monitor, check_number};
use crate::distributed::Process;
use crate::error::{Error, Result};
use crate::training::callback::{Callback, TrainStart};
use crate::training::control::Control;
use crate::training::history::EpochRecord;
use crate::training::settings::settings;

/// Multiplies the learning rate by `factor` when the monitored value has not got better for
/// `patience` epochs, by the rule of
/// [Keras 3](https://keras.io/api/callbacks/reduce_lr_on_plateau/), its corners included: a
/// patience of 0 is one of 1, and the last epoch of a cooldown counts as waited. The new rate is
/// that of the next epoch; `learning_rate` of the record is still the old one.
#[derive(Debug, Clone)]
pub struct ReduceLrOnPlateau {
    monitor: Monitor,
    factor: f64,
    patience: u32,
    min_delta: f64,
    cooldown: u32,
    min_lr: f64,
    wait: u32,
    cooling: u32,
    best: Option<f64>,
}

impl Default for ReduceLrOnPlateau {
    fn default() -> Self {
        Self::new()
    }
}

impl ReduceLrOnPlateau {
    /// A tenth after ten epochs without a better `val_loss`.
    #[must_use]
    pub fn new() -> Self {
        ReduceLrOnPlateau {
            monitor: Monitor::default(),
            factor: 0.1,
            patience: 10,
            min_delta: 1e-4,
            cooldown: 0,
            min_lr: 0.0,
            wait: 0,
            cooling: 0,
            best: None,
        }
    }

    settings! {
        /// The value to watch, by its name in [`EpochRecord::values`]; `val_loss` by default.
        monitor(name: impl Into<String>): monitor.name = name.into();

        /// What the rate is multiplied by, between 0 and 1; 0.1 by default.
        factor(factor: f64): factor = factor;

        /// The rate is lowered after this many epochs without a better value; 10 by default.
        patience(epochs: u32): patience = epochs;

        /// Which way is better; by the value's name by default.
        mode(mode: Mode): monitor.mode = mode;

        /// How much better the value must be to count as better: more than this, from 0 up; 0.0001
        /// by default.
        min_delta(min_delta: f64): min_delta = min_delta;

        /// After a reduction, this many epochs do not count towards the patience; 0 by default.
        cooldown(epochs: u32): cooldown = epochs;

        /// The rate below which it does not go, from 0 up; 0 by default.
        min_lr(min_lr: f64): min_lr = min_lr;
    }

    fn check(&self, names: &[String], process: Process) -> Result<()> {
        self.monitor.check(names, process)?;
        if !(self.factor > 0.0 && self.factor < 1.0) {
            let problem = format!("is {}; expected a number between 0 and 1", self.factor);
            return Err(Error::argument("factor", problem));
        }
        for (argument, value) in [("min_delta", self.min_delta), ("min_lr", self.min_lr)] {
            check_number(argument, value)?;
            if value < 0.0 {
                let problem = format!("is {value}; expected at least 0");
                return Err(Error::argument(argument, problem));
            }
        }
        Ok(())
    }
}

impl Callback for ReduceLrOnPlateau {
    fn train_begin(&mut self, run: &mut dyn Control, train: &TrainStart) -> Result<()> {
        self.check(&train.names, run.process())?;
        // A rate that a schedule governs would otherwise be refused only on the first plateau.
        run.set_learning_rate(run.learning_rate())?;
        self.wait = 0;
        self.cooling = 0;
        self.best = None;
        Ok(())
    }

    fn epoch_end(&mut self, run: &mut dyn Control, record: &EpochRecord) -> Result<()> {
        let Some(value) = record.value(&self.monitor.name) else {
            return Ok(());
        };
        self.cooling = self.cooling.saturating_sub(1);
        if self.monitor.is_better(value, self.best, self.min_delta) {
            self.best = Some(value);
            self.wait = 0;
        } else if self.cooling == 0 {
            self.wait += 1;
            let rate = run.learning_rate();
            if self.wait >= self.patience && rate > self.min_lr {
                run.set_learning_rate((rate * self.factor).max(self.min_lr))?;
                self.cooling = self.cooldown;
                self.wait = 0;
            }
        }
        Ok(())
    }
}
