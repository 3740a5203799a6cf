//! Metrics: what is reported beside the loss.

/// A quantity watched during training and evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Metric {
    /// The share of samples whose largest output is the right class (the first one on a tie).
    Accuracy,
}
