//! Sums of losses and metrics on their way from the device.

use super::completion::Completion;
use crate::program::Metrics;

/// What has been taken from the device and is on its way to the host.
pub(super) struct Taking {
    pub copy: Completion<Vec<u8>>,
    /// Bytes of each metric buffer.
    pub sizes: Vec<u64>,
    /// Samples of steps that were known to have run when the copy was submitted.
    pub samples: usize,
    /// How often somebody has looked for it in vain.
    pub asked: u32,
}

/// What steps of so many samples have added up to.
pub(crate) struct Taken {
    /// Samples, as the device itself has counted them.
    pub samples: usize,
    /// What they add up to.
    pub metrics: Metrics,
}
