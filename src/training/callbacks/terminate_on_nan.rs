//! Finds out early that training has failed.

use crate::error::{Error, Result};
use crate::training::callback::{Callback, StepEnd};
use crate::training::control::Control;
use crate::training::history::EpochRecord;

/// Ends training as soon as a loss is not a finite number.
///
/// [`fit`](crate::Model::fit) always ends with [`Error::NonFinite`], which names the step, but
/// looks only when the scores are read, at the latest at the epoch's end. With this callback it
/// looks after every step, which waits for the device each time, or every so many steps; and a
/// validation loss that is not finite ends training too. Keras' callback ends training as if all
/// were well.
#[derive(Debug, Clone)]
pub struct TerminateOnNan {
    every: usize,
}

impl Default for TerminateOnNan {
    fn default() -> Self {
        Self::new()
    }
}

impl TerminateOnNan {
    /// Looks after every step.
    #[must_use]
    pub fn new() -> Self {
        TerminateOnNan { every: 1 }
    }

    /// Looks after every so many steps; the error still names the first step that failed. 0: only
    /// at the end of an epoch.
    #[must_use]
    pub fn every_steps(mut self, steps: usize) -> Self {
        self.every = steps;
        self
    }
}

impl Callback for TerminateOnNan {
    fn wants_scores(&mut self, step: StepEnd) -> bool {
        step.step.is_multiple_of(self.every)
    }

    fn epoch_end(&mut self, run: &mut dyn Control, record: &EpochRecord) -> Result<()> {
        match &record.validation {
            Some(scores) if !scores.loss.is_finite() => {
                Err(Error::NonFinite { step: run.steps(), batch: None })
            }
            _ => Ok(()),
        }
    }
}
