//! Callbacks: how a caller watches training, and ends it.

use super::history::{EpochRecord, Scores};
use crate::error::Result;

/// Whether training goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// It does.
    Continue,
    /// It ends after this step or epoch; what was learned so far is kept.
    Stop,
}

/// What is known when an epoch begins.
#[derive(Debug, Clone, Copy)]
pub struct EpochStart {
    /// From 1.
    pub epoch: u32,
    /// Epochs that were asked for.
    pub epochs: u32,
    /// Steps in each of them.
    pub steps: usize,
}

/// What is known when a step has been handed to the device.
#[derive(Debug, Clone, Copy)]
pub struct StepEnd {
    /// Steps of this epoch so far.
    pub step: usize,
    /// Samples of this epoch so far.
    pub samples: usize,
}

/// Told of each epoch and step of [`fit`](super::Model::fit).
pub trait Callback {
    /// An epoch begins.
    fn epoch_begin(&mut self, _epoch: EpochStart) {}

    /// Whether [`scores`](Self::scores) is wanted after this step. Reading them waits for the
    /// device, so say yes a few times a second at most. No by default.
    fn wants_scores(&mut self, _step: StepEnd) -> bool {
        false
    }

    /// The running scores of the epoch, after a step for which they were wanted.
    fn scores(&mut self, _step: StepEnd, _scores: Scores) {}

    /// A step has been handed to the device.
    fn step_end(&mut self, _step: StepEnd) -> Flow {
        Flow::Continue
    }

    /// An epoch has ended, validation included.
    ///
    /// # Errors
    /// An error ends training and is returned by `fit`.
    fn epoch_end(&mut self, _record: &EpochRecord) -> Result<Flow> {
        Ok(Flow::Continue)
    }
}
