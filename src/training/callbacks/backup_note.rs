//! What a backup says of its run: text of the caller's, and the epochs that are done.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::training::history::{EpochRecord, Waits};
use crate::training::scores::{ConfusionMatrix, Scores};

/// What a backup says of its run. Any other text is read as nothing said.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct BackupNote {
    pub notes: BTreeMap<String, String>,
    epochs: Vec<KeptEpoch>,
}

/// An epoch in the form that it is written in.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct KeptEpoch {
    epoch: u32,
    training: KeptScores,
    validation: Option<KeptScores>,
    learning_rate: f64,
    seconds: f64,
    resumed_after: usize,
}

/// JSON has no NaN: such a value is `None`.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct KeptScores {
    loss: Option<f64>,
    metrics: Vec<(String, Option<f64>)>,
    confusion_matrices: Vec<(String, usize, Vec<f64>)>,
}

impl BackupNote {
    pub(super) fn new(notes: &BTreeMap<String, String>, epochs: &[EpochRecord]) -> Self {
        let epochs = epochs.iter().map(KeptEpoch::new).collect();
        BackupNote { notes: notes.clone(), epochs }
    }

    /// The note in a file.
    pub(super) fn parse(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    pub(super) fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(super) fn epochs(&self) -> Vec<EpochRecord> {
        self.epochs.iter().map(KeptEpoch::record).collect()
    }
}

impl KeptEpoch {
    fn new(record: &EpochRecord) -> Self {
        let EpochRecord {
            epoch,
            training,
            validation,
            learning_rate,
            seconds,
            resumed_after,
            waits: _,
        } = record;
        KeptEpoch {
            epoch: *epoch,
            training: KeptScores::new(training),
            validation: validation.as_ref().map(KeptScores::new),
            learning_rate: *learning_rate,
            seconds: *seconds,
            resumed_after: *resumed_after,
        }
    }

    fn record(&self) -> EpochRecord {
        EpochRecord {
            waits: Waits::default(),
            epoch: self.epoch,
            training: self.training.scores(),
            validation: self.validation.as_ref().map(KeptScores::scores),
            learning_rate: self.learning_rate,
            seconds: self.seconds,
            resumed_after: self.resumed_after,
        }
    }
}

impl KeptScores {
    fn new(scores: &Scores) -> Self {
        let finite = |value: f64| value.is_finite().then_some(value);
        let metrics = scores.values().into_iter().skip(1);
        let matrices = scores.confusion_matrices().iter();
        KeptScores {
            loss: finite(scores.loss),
            metrics: metrics.map(|(name, value)| (name, finite(value))).collect(),
            confusion_matrices: matrices
                .map(|(name, matrix)| (name.clone(), matrix.classes, matrix.counts.clone()))
                .collect(),
        }
    }

    fn scores(&self) -> Scores {
        let number = |value: Option<f64>| value.unwrap_or(f64::NAN);
        let metrics = self.metrics.iter().map(|(name, value)| (name.clone(), number(*value)));
        let matrices = self.confusion_matrices.iter().map(|(name, classes, counts)| {
            (name.clone(), ConfusionMatrix::new(*classes, counts.clone()))
        });
        Scores::new(number(self.loss), metrics).with_confusion_matrices(matrices.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_come_back_as_they_were_to_the_last_bit() {
        let scores = |loss| {
            let matrix = ("confusion_matrix".to_owned(), ConfusionMatrix::new(2, vec![3.0; 4]));
            let metrics = [("accuracy".to_owned(), 1.0 / 3.0), ("auc".to_owned(), 1e-300)];
            Scores::new(loss, metrics).with_confusion_matrices(vec![matrix])
        };
        let mut first = EpochRecord::new(1, scores(0.1 + 0.2));
        (first.learning_rate, first.seconds) = (1e-3, 0.7);
        let mut second = EpochRecord::new(2, scores(5e-324));
        (second.validation, second.resumed_after) = (Some(scores(-0.0)), 17);
        let notes = BTreeMap::from([("batch size".to_owned(), "32 \"a\"".to_owned())]);
        let epochs = [first, second];
        let read = BackupNote::parse(&BackupNote::new(&notes, &epochs).to_text());
        assert_eq!((read.epochs(), read.notes), (epochs.to_vec(), notes));
        let nan = EpochRecord::new(1, scores(f64::NAN));
        let read = BackupNote::parse(&BackupNote::new(&BTreeMap::new(), &[nan]).to_text());
        assert!(read.epochs()[0].training.loss.is_nan());
        assert!(BackupNote::parse("of another program").epochs().is_empty());
    }
}
