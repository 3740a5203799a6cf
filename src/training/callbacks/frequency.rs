//! How often a callback acts.

use crate::error::{Error, Result};

/// How often a callback acts: Keras' `"epoch"`, or a number of batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Frequency {
    /// After each epoch.
    #[default]
    Epoch,
    /// After so many training steps, at least 1, counted over the epochs of one `fit`.
    Batches(usize),
}

impl Frequency {
    pub(super) fn check(self, argument: &'static str) -> Result<()> {
        match self {
            Frequency::Batches(0) => Err(Error::argument(argument, "is 0; give at least 1")),
            Frequency::Epoch | Frequency::Batches(_) => Ok(()),
        }
    }

    /// Whether to act after the step that is the `count`th of this `fit`.
    pub(super) fn includes(self, count: u64) -> bool {
        match self {
            Frequency::Epoch => false,
            Frequency::Batches(batches) => count.is_multiple_of(batches as u64),
        }
    }
}
