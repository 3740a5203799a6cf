//! The scores of a model on some samples.

use serde::Serialize;

use crate::model::metric::{Metric, auc, precision, recall};
use crate::model::{OutputReport, Report, ReportedMetric, Sums};
use crate::program::Metrics;

/// Mean loss and metrics over some samples.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scores {
    /// Mean loss of a sample, penalties of regularizers included. With several outputs, the sum of
    /// their losses, each times its loss weight.
    pub loss: f64,
    metrics: Vec<(String, f64)>,
    confusion_matrices: Vec<(String, ConfusionMatrix)>,
}

impl Scores {
    /// A loss and values under their names.
    pub fn new(loss: f64, metrics: impl IntoIterator<Item = (String, f64)>) -> Self {
        let metrics = metrics.into_iter().collect();
        Scores { loss, metrics, confusion_matrices: Vec::new() }
    }

    /// The same with these matrices, each under its name.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn with_confusion_matrices(self, matrices: Vec<(String, ConfusionMatrix)>) -> Self {
        Scores { confusion_matrices: matrices, ..self }
    }

    /// Each value under Keras' name for it, the loss first. With several outputs, the loss of each
    /// comes next, `size_loss`, then their metrics, `size_mae` and so on.
    #[must_use]
    pub fn values(&self) -> Vec<(String, f64)> {
        [("loss".into(), self.loss)].into_iter().chain(self.metrics.iter().cloned()).collect()
    }

    /// The value of that name; `None` if it is not among [`values`](Self::values).
    #[must_use]
    pub fn value(&self, name: &str) -> Option<f64> {
        match name {
            "loss" => Some(self.loss),
            _ => self.metrics.iter().find(|(key, _)| key == name).map(|(_, value)| *value),
        }
    }

    /// Share of right predictions, if the model has one output with [`Metric::Accuracy`].
    #[must_use]
    pub fn accuracy(&self) -> Option<f64> {
        self.value("accuracy")
    }

    /// The matrices of [`Metric::ConfusionMatrix`], each under its name.
    #[must_use]
    pub fn confusion_matrices(&self) -> &[(String, ConfusionMatrix)] {
        &self.confusion_matrices
    }
}

impl Serialize for Scores {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.values())
    }
}

/// How many samples of each class were predicted as each class, or the sum of their weights.
///
/// It prints as a table: a line for each class, a column for each prediction.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct ConfusionMatrix {
    /// Number of classes.
    pub classes: usize,
    /// `[classes, classes]`, row-major: a row for each class, a column for each prediction.
    pub counts: Vec<f64>,
}

impl ConfusionMatrix {
    /// A matrix of these counts, `[classes, classes]`, row-major.
    #[must_use]
    pub fn new(classes: usize, counts: Vec<f64>) -> Self {
        ConfusionMatrix { classes, counts }
    }

    /// Samples of `class` that were predicted as `predicted`; 0 if there is no such class.
    #[must_use]
    pub fn count(&self, class: usize, predicted: usize) -> f64 {
        let row = self.counts.chunks(self.classes.max(1)).nth(class).unwrap_or_default();
        row.get(predicted).copied().unwrap_or(0.0)
    }
}

impl std::fmt::Display for ConfusionMatrix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let cells: Vec<String> = self.counts.iter().map(f64::to_string).collect();
        let classes = self.classes.to_string();
        let width = cells.iter().map(String::len).chain([classes.len()]).max().unwrap_or(1);
        for (class, row) in cells.chunks(self.classes.max(1)).enumerate() {
            if class > 0 {
                writeln!(f)?;
            }
            write!(f, "{class:>width$}:")?;
            for cell in row {
                write!(f, " {cell:>width$}")?;
            }
        }
        Ok(())
    }
}

impl Report {
    /// The scores of `samples` samples whose steps have added up to `metrics`.
    pub(super) fn scores(&self, metrics: &Metrics, samples: usize) -> Scores {
        let samples = samples.max(1) as f64;
        let mut scores = Scores { loss: self.loss_sum(metrics) / samples, ..Scores::default() };
        if self.outputs.len() > 1 {
            for OutputReport { name, loss, .. } in &self.outputs {
                let mean = metrics.sum(*loss) / samples;
                scores.metrics.push((format!("{name}_loss"), mean));
            }
        }
        for output in &self.outputs {
            for ReportedMetric { name, metric, sums } in &output.metrics {
                let name = match self.outputs.len() {
                    1 => name.clone(),
                    _ => format!("{}_{name}", output.name),
                };
                match *sums {
                    Sums::WithLoss { counts, answers } => {
                        let accuracy = metrics.sum(counts) / (samples * answers as f64);
                        scores.metrics.push((name, accuracy));
                    }
                    Sums::TwoClasses(sums) => {
                        let matrix = two_classes(metrics.sums(sums));
                        scores.confusion_matrices.push((name, matrix));
                    }
                    Sums::Own(sums) if *metric == Metric::ConfusionMatrix => {
                        let counts = metrics.sums(sums).to_vec();
                        let matrix = ConfusionMatrix { classes: counts.len().isqrt(), counts };
                        scores.confusion_matrices.push((name, matrix));
                    }
                    Sums::Own(sums) => {
                        scores.metrics.push((name, value(metric, metrics.sums(sums))));
                    }
                }
            }
        }
        scores
    }

    /// The sum of the samples' losses, that of regularizers included.
    fn loss_sum(&self, metrics: &Metrics) -> f64 {
        let losses =
            self.outputs.iter().map(|output| output.loss_weight * metrics.sum(output.loss));
        losses.chain(self.penalties.iter().map(|&id| metrics.sum(id))).sum()
    }

    /// The first step with a loss that was not finite; `last` if only the sum of all is not, as by
    /// a regularizer of weights that are too large.
    pub(super) fn nonfinite_step(&self, metrics: &Metrics, last: u64) -> Option<u64> {
        let sum = self.loss_sum(metrics);
        metrics.first_nonfinite_step.or((!sum.is_finite()).then_some(last))
    }
}

fn value(metric: &Metric, sums: &[f64]) -> f64 {
    match (metric, sums) {
        (Metric::Precision { .. }, sums) => precision(sums),
        (Metric::Recall { .. }, sums) => recall(sums),
        (Metric::Auc { .. }, sums) => auc(sums),
        // The mean: a sum over the weight that went into it.
        (_, &[sum, weight]) if weight != 0.0 => sum / weight,
        _ => 0.0,
    }
}

/// The matrix of two classes from its sums: predicted as class 0, of class 0 and of class 1; then
/// predicted as class 1, of both.
fn two_classes(sums: &[f64]) -> ConfusionMatrix {
    let at = |place: usize| sums.get(place).copied().unwrap_or(0.0);
    ConfusionMatrix { classes: 2, counts: [0, 2, 1, 3].map(at).to_vec() }
}
