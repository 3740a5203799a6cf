//! How often a callback acts.

use std::time::Duration;

use crate::clock::Instant;
use crate::error::{Error, Result};

/// How often a callback acts: Keras' `"epoch"`, a number of batches, or a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Frequency {
    /// After each epoch.
    #[default]
    Epoch,
    /// After so many training steps, at least 1, counted over the epochs of one `fit`.
    Batches(usize),
    /// After the first training step that ends at least so long after the last time, more than 0.
    Time(Duration),
}

impl Frequency {
    pub(super) fn check(self, argument: &'static str) -> Result<()> {
        match self {
            Frequency::Batches(0) => Err(Error::argument(argument, "is 0; give at least 1")),
            Frequency::Time(Duration::ZERO) => {
                Err(Error::argument(argument, "is no time; give more than 0 seconds"))
            }
            Frequency::Epoch | Frequency::Batches(_) | Frequency::Time(_) => Ok(()),
        }
    }

    /// Whether to act after the step that is the `count`th of this `fit`, `since` the last time.
    pub(super) fn includes(self, count: u64, since: Instant) -> bool {
        match self {
            Frequency::Epoch => false,
            Frequency::Batches(batches) => count.is_multiple_of(batches as u64),
            Frequency::Time(time) => since.elapsed() >= time,
        }
    }
}
