//! A learning rate for each epoch.

use crate::error::Result;
use crate::training::callback::{Callback, EpochStart};
use crate::training::control::Control;
use crate::training::send::WasmNotSend;

/// Sets the learning rate at the beginning of each epoch to what a function makes of the epoch and
/// the rate so far, as [Keras' callback](https://keras.io/api/callbacks/learning_rate_scheduler/).
/// For a rate that changes from step to step, compile with a [`Schedule`](crate::Schedule): a model
/// has either one or the other.
pub struct LearningRateScheduler<F> {
    schedule: F,
}

impl<F: FnMut(u32, f64) -> f64> LearningRateScheduler<F> {
    /// `schedule` takes the epoch, **counted from 0** as in Keras so that its functions keep their
    /// meaning, and the rate so far.
    ///
    /// A rate that building a model would refuse ends training with
    /// [`Error::Argument`](crate::Error::Argument).
    pub fn new(schedule: F) -> Self {
        LearningRateScheduler { schedule }
    }
}

impl<F> std::fmt::Debug for LearningRateScheduler<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LearningRateScheduler").finish_non_exhaustive()
    }
}

impl<F: FnMut(u32, f64) -> f64 + WasmNotSend> Callback for LearningRateScheduler<F> {
    fn epoch_begin(&mut self, run: &mut dyn Control, epoch: EpochStart) -> Result<()> {
        let rate = (self.schedule)(epoch.epoch.saturating_sub(1), run.learning_rate());
        run.set_learning_rate(rate)
    }
}
