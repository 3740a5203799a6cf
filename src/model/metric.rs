//! Metrics: what is reported beside the loss.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::custom_function::CustomFunction;
use crate::error::{Error, Result};
use crate::program::{Graph, Value};

/// A quantity watched during training and evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Metric {
    /// Share of right predictions, of the kind that goes with the loss: with a
    /// categorical cross-entropy the samples whose largest output is the right class (the first
    /// one on a tie), with a binary one the outputs on the right side of 1/2.
    Accuracy,
    /// Share of the samples whose class is among the `k` largest outputs; ties count in its favour.
    TopKCategoricalAccuracy {
        /// 5 in Keras.
        k: usize,
    },
    /// The cross-entropy of the kind that goes with the loss; with one that is none, with the last
    /// activation: categorical after a softmax, binary after a sigmoid. Unlike the loss it has no
    /// label smoothing, no penalties and, unless among the weighted metrics, no sample weights.
    Crossentropy,
    /// `-log(probability of the right class)`, from logits as
    /// [`Loss::SparseCategoricalCrossentropy`](crate::Loss::SparseCategoricalCrossentropy).
    SparseCategoricalCrossentropy,
    /// `-sum(target · log(probability))`, from logits as
    /// [`Loss::CategoricalCrossentropy`](crate::Loss::CategoricalCrossentropy).
    CategoricalCrossentropy {
        /// Share of each target that is spread evenly over all classes; 0 to 1.
        label_smoothing: f64,
    },
    /// `-target · log(p) - (1 - target) · log(1 - p)`, the mean over the outputs, from logits as
    /// [`Loss::BinaryCrossentropy`](crate::Loss::BinaryCrossentropy).
    BinaryCrossentropy {
        /// Share of each target that is moved to 1/2; 0 to 1.
        label_smoothing: f64,
    },
    /// Mean of `(output - target)²`.
    MeanSquaredError,
    /// Mean of `|output - target|`.
    MeanAbsoluteError,
    /// Share of the outputs that are above the threshold where their target is 1, and not where it
    /// is 0.
    BinaryAccuracy {
        /// 0.5 in Keras.
        threshold: f64,
    },
    /// Share of the outputs above the threshold whose target is not 0.
    Precision {
        /// 0.5 in Keras.
        threshold: f64,
    },
    /// Share of the targets that are not 0 whose output is above the threshold.
    Recall {
        /// 0.5 in Keras.
        threshold: f64,
    },
    /// Area under the receiver operating characteristic, from the outputs' distribution over
    /// equally spaced thresholds.
    Auc {
        /// 200 in Keras.
        thresholds: usize,
    },
    /// How many samples of each class were taken for which:
    /// [`Scores::confusion_matrices`](crate::training::Scores::confusion_matrices). It has no value
    /// of its own.
    ConfusionMatrix,
    /// One of the user's own, see [`Metric::custom`].
    Custom(CustomFunction),
}

impl Metric {
    /// [`Metric::TopKCategoricalAccuracy`] with Keras' 5.
    pub const TOP_5: Metric = Metric::TopKCategoricalAccuracy { k: 5 };
    /// [`Metric::CategoricalCrossentropy`] without label smoothing.
    pub const CATEGORICAL_CROSSENTROPY: Metric =
        Metric::CategoricalCrossentropy { label_smoothing: 0.0 };
    /// [`Metric::BinaryCrossentropy`] without label smoothing.
    pub const BINARY_CROSSENTROPY: Metric = Metric::BinaryCrossentropy { label_smoothing: 0.0 };
    /// [`Metric::BinaryAccuracy`] with Keras' threshold.
    pub const BINARY_ACCURACY: Metric = Metric::BinaryAccuracy { threshold: 0.5 };
    /// [`Metric::Precision`] with Keras' threshold.
    pub const PRECISION: Metric = Metric::Precision { threshold: 0.5 };
    /// [`Metric::Recall`] with Keras' threshold.
    pub const RECALL: Metric = Metric::Recall { threshold: 0.5 };
    /// [`Metric::Auc`] with Keras' thresholds.
    pub const AUC: Metric = Metric::Auc { thresholds: 200 };

    /// Those that a name is enough for.
    const NAMED: [Metric; 13] = [
        Metric::Accuracy,
        Metric::Crossentropy,
        Metric::SparseCategoricalCrossentropy,
        Metric::CATEGORICAL_CROSSENTROPY,
        Metric::BINARY_CROSSENTROPY,
        Metric::MeanSquaredError,
        Metric::MeanAbsoluteError,
        Metric::TOP_5,
        Metric::BINARY_ACCURACY,
        Metric::PRECISION,
        Metric::RECALL,
        Metric::AUC,
        Metric::ConfusionMatrix,
    ];

    /// A metric called `name` that `function` computes of the graph, the prediction and the target,
    /// in this order: a value for each sample, or one for each element, of which the mean is taken.
    /// Scores have the mean over the samples.
    ///
    /// The prediction is what the model gives: logits, if its last layer is linear. The target has
    /// as many floats, so a loss of class indices does not go with such a metric.
    pub fn custom(
        name: &str,
        function: impl Fn(&mut Graph, &Value, &Value) -> Result<Value> + Send + Sync + 'static,
    ) -> Self {
        Metric::Custom(CustomFunction::new(name, function))
    }

    /// Its name in scores: that of Keras, or of the user's own.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Metric::Accuracy => "accuracy",
            Metric::TopKCategoricalAccuracy { .. } => "top_k_categorical_accuracy",
            Metric::Crossentropy => "crossentropy",
            Metric::SparseCategoricalCrossentropy => "sparse_categorical_crossentropy",
            Metric::CategoricalCrossentropy { .. } => "categorical_crossentropy",
            Metric::BinaryCrossentropy { .. } => "binary_crossentropy",
            Metric::MeanSquaredError => "mse",
            Metric::MeanAbsoluteError => "mae",
            Metric::BinaryAccuracy { .. } => "binary_accuracy",
            Metric::Precision { .. } => "precision",
            Metric::Recall { .. } => "recall",
            Metric::Auc { .. } => "auc",
            Metric::ConfusionMatrix => "confusion_matrix",
            Metric::Custom(metric) => &metric.custom,
        }
    }
}

impl FromStr for Metric {
    type Err = Error;

    /// The metric that Keras takes a string for, with Keras' constants: `accuracy` or `acc`,
    /// `crossentropy` or `ce`, `mse`, `mae`, and the names of all others but
    /// [`Metric::custom`].
    ///
    /// # Errors
    /// [`Error::Argument`] with the names that there are.
    fn from_str(name: &str) -> Result<Self> {
        match name {
            "acc" => return Ok(Metric::Accuracy),
            "ce" => return Ok(Metric::Crossentropy),
            "mean_squared_error" => return Ok(Metric::MeanSquaredError),
            "mean_absolute_error" => return Ok(Metric::MeanAbsoluteError),
            _ => {}
        }
        let all = Metric::NAMED.iter();
        all.clone().find(|metric| metric.name() == name).cloned().ok_or_else(|| {
            let names = all.map(Metric::name).collect::<Vec<_>>().join(", ");
            Error::argument(
                "metrics",
                format!("there is none called {name:?}; give one of {names}"),
            )
        })
    }
}

/// Share of the positive predictions whose target is positive, as Keras' `Precision`: true
/// positives over true and false positives, or 0 where nothing was predicted positive.
///
/// `sums[buckets, 2]` are the totals of a histogram with [`Thresholds::One`](crate::operation::Thresholds::One): in each bucket the
/// weight of the negative targets, then that of the positive ones. A prediction is positive beyond
/// the first bucket.
#[must_use]
pub fn precision(sums: &[f64]) -> f64 {
    let [negative, positive] = totals(sums.get(2..).unwrap_or_default());
    ratio(positive, positive + negative)
}

/// Share of the positive targets that were predicted positive, as Keras' `Recall`: true positives
/// over true positives and false negatives, or 0 where no target is positive. `sums` as in
/// [`precision`].
#[must_use]
pub fn recall(sums: &[f64]) -> f64 {
    let [_, found] = totals(sums.get(2..).unwrap_or_default());
    let [_, positive] = totals(sums);
    ratio(found, positive)
}

/// Area under the receiver operating characteristic (ROC), the share of true positives over that
/// of false positives from threshold to threshold, by trapezoids: Keras' `AUC` with
/// `summation_method="interpolation"`. 0 where all targets are of one kind.
///
/// `sums[buckets, 2]` are the totals of a histogram with [`Thresholds::Even`](crate::operation::Thresholds::Even), as in
/// [`precision`].
#[must_use]
pub fn auc(sums: &[f64]) -> f64 {
    let [negative, positive] = totals(sums);
    let (mut area, mut true_positives) = (0.0, 0.0);
    // From the highest threshold down, each bucket moves the curve by its share of either kind.
    for bucket in sums.chunks_exact(2).rev() {
        let height = ratio(true_positives + 0.5 * bucket[1], positive);
        area += ratio(bucket[0], negative) * height;
        true_positives += bucket[1];
    }
    area
}

/// What all buckets hold of negative and of positive targets.
fn totals(sums: &[f64]) -> [f64; 2] {
    let of = |kind| sums.iter().skip(kind).step_by(2).sum();
    [of(0), of(1)]
}

/// 0 in place of a division by 0.
fn ratio(part: f64, whole: f64) -> f64 {
    if whole == 0.0 { 0.0 } else { part / whole }
}
