//! Metrics: what is reported beside the loss.

use serde::{Deserialize, Serialize};

/// A quantity watched during training and evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Metric {
    /// Share of right predictions, of the kind that goes with the loss: with a
    /// categorical cross-entropy the samples whose largest output is the right class (the first
    /// one on a tie), with a binary one the outputs on the right side of 1/2.
    Accuracy,
}
