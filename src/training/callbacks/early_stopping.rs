//! Ends training when it no longer gets better.

use super::monitor::{Mode, Monitor, check_number};
use crate::error::Result;
use crate::model::Weights;
use crate::training::callback::{Callback, TrainStart};
use crate::training::control::{Answer, Control, Request};
use crate::training::history::{EpochRecord, History};
use crate::training::settings::settings;

/// Stops when the monitored value has not got better for `patience` epochs, by the rule of
/// [Keras 3](https://keras.io/api/callbacks/early_stopping/), its corners included:
///
/// - A patience of 0 is one of 1: both stop at the first epoch that is not better.
/// - The run's epoch 1 never stops it.
/// - `restore_best_weights` restores at the end of every run, also of one that was not stopped
///   early; the weights only, not the optimizer's state.
/// - An epoch better than the best so far does not stop training, even if it does not reach
///   `baseline` and the patience is used up.
/// - An epoch without the value (one not validated, by `validation_freq`) counts for nothing.
///
/// Better than Keras: a first value that is NaN is not taken for the best, and the mode of
/// `size_mae` or `weighted_auc` is told by the name.
#[derive(Debug, Clone, Default)]
pub struct EarlyStopping {
    monitor: Monitor,
    min_delta: f64,
    patience: u32,
    baseline: Option<f64>,
    restore_best_weights: bool,
    start_from_epoch: u32,
    wait: u32,
    best: Option<f64>,
    best_epoch: Option<u32>,
    best_weights: Option<Weights>,
    stopped_epoch: Option<u32>,
}

impl EarlyStopping {
    /// Watches `val_loss`, without patience.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    settings! {
        /// The value to watch, by its name in [`EpochRecord::values`]; `val_loss` by default.
        monitor(name: impl Into<String>): monitor.name = name.into();

        /// How much better the value must be to count as better: more than this, its sign ignored.
        /// 0 by default.
        min_delta(min_delta: f64): min_delta = min_delta.abs();

        /// Training ends after this many epochs without a better value; 0 by default.
        patience(epochs: u32): patience = epochs;

        /// Which way is better; by the value's name by default.
        mode(mode: Mode): monitor.mode = mode;

        /// Only an epoch that is better than this starts the patience again; none by default.
        baseline(baseline: f64): baseline = Some(baseline);

        /// Whether the model ends with the weights of its best epoch; false by default. They are
        /// read from the device in each epoch that is the best so far. If there was none, the
        /// weights stay the last ones.
        restore_best_weights(restore: bool): restore_best_weights = restore;

        /// Ignores this many epochs at the start; 0 by default.
        start_from_epoch(epochs: u32): start_from_epoch = epochs;
    }

    /// The best value of the last run.
    #[must_use]
    pub fn best(&self) -> Option<f64> {
        self.best
    }

    /// The epoch of the best value, from 1.
    #[must_use]
    pub fn best_epoch(&self) -> Option<u32> {
        self.best_epoch
    }

    /// The epoch after which it ended training, from 1; `None` if it did not.
    #[must_use]
    pub fn stopped_epoch(&self) -> Option<u32> {
        self.stopped_epoch
    }
}

impl Callback for EarlyStopping {
    fn train_begin(&mut self, run: &mut dyn Control, train: &TrainStart) -> Result<()> {
        self.monitor.check(&train.names, run.process())?;
        check_number("min_delta", self.min_delta)?;
        self.baseline.map_or(Ok(()), |baseline| check_number("baseline", baseline))?;
        self.wait = 0;
        self.best = None;
        self.best_epoch = None;
        self.best_weights = None;
        self.stopped_epoch = None;
        Ok(())
    }

    fn epoch_end(&mut self, run: &mut dyn Control, record: &EpochRecord) -> Result<()> {
        let Some(value) = record.value(&self.monitor.name) else {
            return Ok(());
        };
        if record.epoch <= self.start_from_epoch {
            return Ok(());
        }
        self.wait += 1;
        if self.monitor.is_better(value, self.best, self.min_delta) {
            self.best = Some(value);
            self.best_epoch = Some(record.epoch);
            if self.restore_best_weights {
                run.request(Request::Weights);
            }
            let beaten = self.baseline.is_none_or(|baseline| {
                self.monitor.is_better(value, Some(baseline), self.min_delta)
            });
            if beaten {
                self.wait = 0;
            }
        } else if self.wait >= self.patience && record.epoch > 1 {
            self.stopped_epoch = Some(record.epoch);
            run.stop();
        }
        Ok(())
    }

    fn train_end(&mut self, run: &mut dyn Control, _history: &History) -> Result<()> {
        if let Some(weights) = self.best_weights.take() {
            run.request(Request::SetWeights(weights));
        }
        Ok(())
    }

    fn answer(&mut self, _run: &mut dyn Control, answer: Answer) -> Result<()> {
        if let Answer::Weights(weights) = answer {
            self.best_weights = Some(weights);
        }
        Ok(())
    }
}
