//! What training reports.

use serde::Serialize;

use crate::program::Metrics;

/// Mean loss and accuracy over some samples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Scores {
    /// Mean loss of a sample.
    pub loss: f64,
    /// Share of right predictions, if [`Metric::Accuracy`](crate::Metric::Accuracy) is watched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
}

impl Scores {
    /// Of `samples` samples with `answers` answers each that may be right or wrong.
    pub(super) fn new(metrics: &Metrics, samples: usize, answers: Option<usize>) -> Self {
        let samples = samples.max(1) as f64;
        let accuracy = |answers| metrics.correct as f64 / (samples * answers as f64);
        Scores { loss: metrics.loss_sum / samples, accuracy: answers.map(accuracy) }
    }
}

/// One epoch. As in Keras, loss and accuracy are running values: each batch counts as it was
/// before its own update.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EpochRecord {
    /// From 1.
    pub epoch: u32,
    /// Over the samples of the epoch.
    #[serde(flatten)]
    pub training: Scores,
    /// Over the validation samples, after the epoch.
    #[serde(flatten, serialize_with = "validation")]
    pub validation: Option<Scores>,
    /// Duration of the epoch, validation included.
    pub seconds: f64,
}

fn validation<S: serde::Serializer>(
    scores: &Option<Scores>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Validation {
        #[serde(skip_serializing_if = "Option::is_none")]
        val_loss: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        val_accuracy: Option<f64>,
    }
    Validation { val_loss: scores.map(|s| s.loss), val_accuracy: scores.and_then(|s| s.accuracy) }
        .serialize(serializer)
}

/// What [`fit`](super::Model::fit) returns.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct History {
    /// Every epoch that ran, in order.
    pub epochs: Vec<EpochRecord>,
    /// True if a callback ended training early.
    #[serde(skip)]
    pub stopped: bool,
}
