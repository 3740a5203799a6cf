//! Which cross-entropy a metric is of its output.

use super::loss::Loss;
use super::metric::Metric;
use super::objective::Judged;
use crate::operation::activation::Activation;

/// Which cross-entropy a metric is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Crossentropy {
    /// Of class indices.
    Sparse,
    Categorical {
        label_smoothing: f64,
    },
    Binary {
        label_smoothing: f64,
    },
}

impl Crossentropy {
    /// `None` if the metric is no cross-entropy, or none goes with the output.
    pub(super) fn new(judged: &Judged<'_>, metric: &Metric) -> Option<Self> {
        let label_smoothing = 0.0;
        match *metric {
            Metric::SparseCategoricalCrossentropy => Some(Crossentropy::Sparse),
            Metric::CategoricalCrossentropy { label_smoothing } => {
                Some(Crossentropy::Categorical { label_smoothing })
            }
            Metric::BinaryCrossentropy { label_smoothing } => {
                Some(Crossentropy::Binary { label_smoothing })
            }
            Metric::Crossentropy => match judged.objective.loss {
                Loss::SparseCategoricalCrossentropy => Some(Crossentropy::Sparse),
                Loss::CategoricalCrossentropy { .. } => {
                    Some(Crossentropy::Categorical { label_smoothing })
                }
                Loss::BinaryCrossentropy { .. } => Some(Crossentropy::Binary { label_smoothing }),
                Loss::MeanSquaredError
                | Loss::MeanAbsoluteError
                | Loss::Huber { .. }
                | Loss::Custom(_) => {
                    if judged.activation == Activation::Softmax {
                        Some(Crossentropy::Categorical { label_smoothing })
                    } else if judged.activation == Activation::Sigmoid {
                        Some(Crossentropy::Binary { label_smoothing })
                    } else {
                        None
                    }
                }
            },
            Metric::Accuracy
            | Metric::TopKCategoricalAccuracy { .. }
            | Metric::MeanSquaredError
            | Metric::MeanAbsoluteError
            | Metric::BinaryAccuracy { .. }
            | Metric::Precision { .. }
            | Metric::Recall { .. }
            | Metric::Auc { .. }
            | Metric::ConfusionMatrix
            | Metric::Custom(_) => None,
        }
    }

    /// Whether the output has the targets and the logits that it takes.
    fn fits(self, judged: &Judged<'_>) -> bool {
        let loss = &judged.objective.loss;
        match self {
            Crossentropy::Sparse => matches!(loss, Loss::SparseCategoricalCrossentropy),
            Crossentropy::Categorical { .. } => {
                matches!(loss, Loss::CategoricalCrossentropy { .. })
                    || judged.activation == Activation::Softmax
            }
            Crossentropy::Binary { .. } => {
                matches!(loss, Loss::BinaryCrossentropy { .. })
                    || judged.activation == Activation::Sigmoid
            }
        }
    }

    /// Why the metric has no meaning for the output; `None` if it has one.
    pub(super) fn problem(judged: &Judged<'_>, metric: &Metric) -> Option<String> {
        let loss = &judged.objective.loss;
        let Some(of) = Crossentropy::new(judged, metric) else {
            return Some(format!(
                "{metric:?} has no meaning for {loss:?} without a softmax or a sigmoid last"
            ));
        };
        if !(0.0..=1.0).contains(&of.label_smoothing()) {
            return Some(format!("{metric:?}; give a label_smoothing from 0 to 1"));
        }
        if of.fits(judged) {
            return None;
        }
        Some(match of {
            Crossentropy::Sparse => {
                format!("{metric:?} needs class indices; {loss:?} has a target for each output")
            }
            Crossentropy::Categorical { .. } => format!(
                "{metric:?} needs a softmax last, or the logits of Loss::CategoricalCrossentropy"
            ),
            Crossentropy::Binary { .. } => format!(
                "{metric:?} needs a sigmoid last, or the logits of Loss::BinaryCrossentropy"
            ),
        })
    }

    fn label_smoothing(self) -> f64 {
        match self {
            Crossentropy::Sparse => 0.0,
            Crossentropy::Categorical { label_smoothing }
            | Crossentropy::Binary { label_smoothing } => label_smoothing,
        }
    }
}
