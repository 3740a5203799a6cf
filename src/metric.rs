//! Metrics: what is reported beside the loss.

/// A quantity watched during training and evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Metric {
    /// Share of right predictions, of the kind that goes with the loss as in Keras: with a
    /// categorical cross-entropy the samples whose largest output is the right class (the first
    /// one on a tie), with a binary one the outputs on the right side of 1/2.
    Accuracy,
}
