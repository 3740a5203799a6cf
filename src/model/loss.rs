//! Loss functions.

use serde::{Deserialize, Serialize};

use super::custom_function::CustomFunction;
use crate::error::Result;
use crate::program::{Graph, Value};

/// What training minimises: the mean over the samples of a batch, each times its sample weight
/// (as in Keras, the sum is divided by the number of samples, not by the sum of the weights).
///
/// The cross-entropies are computed from the logits, before the softmax or sigmoid of the last
/// layer, so that they stay exact where a probability underflows. If the last layer is linear, its
/// outputs are taken as logits: `from_logits=True` in
/// [Keras](https://keras.io/api/losses/probabilistic_losses/).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Loss {
    /// `-log(probability of the right class)`, targets as class indices, after a softmax layer.
    SparseCategoricalCrossentropy,
    /// `-sum(target · log(probability))`, a probability of each class as target, after a softmax
    /// layer.
    CategoricalCrossentropy {
        /// Share of each target that is spread evenly over all classes; 0 to 1.
        label_smoothing: f64,
    },
    /// `-target · log(p) - (1 - target) · log(1 - p)`, the mean over the outputs, each target
    /// between 0 and 1, after a sigmoid layer.
    BinaryCrossentropy {
        /// Share of each target that is moved to 1/2; 0 to 1.
        label_smoothing: f64,
    },
    /// `(output - target)²`, the mean over the outputs.
    MeanSquaredError,
    /// `|output - target|`, the mean over the outputs.
    MeanAbsoluteError,
    /// `error² / 2` up to `delta`, linear beyond, the mean over the outputs.
    Huber {
        /// Where it becomes linear; 1 in Keras.
        delta: f64,
    },
    /// One of the user's own, see [`Loss::custom`].
    Custom(CustomFunction),
}

/// What is counted as right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Accuracy {
    /// A sample whose largest output is that of its class.
    Sample,
    /// Each output that is above 1/2 where its target is 1, and not where it is 0.
    Output,
}

impl Loss {
    /// A loss called `name` that `function` computes of the graph, the prediction and the target,
    /// in this order: a value for each sample, or one for each element, of which the mean is taken.
    pub fn custom(
        name: &str,
        function: impl Fn(&mut Graph, &Value, &Value) -> Result<Value> + Send + Sync + 'static,
    ) -> Self {
        Loss::Custom(CustomFunction::new(name, function))
    }

    /// Which of Keras' accuracies goes with it; `None` where nothing is right or wrong.
    #[must_use]
    pub fn accuracy(&self) -> Option<Accuracy> {
        match self {
            Loss::SparseCategoricalCrossentropy | Loss::CategoricalCrossentropy { .. } => {
                Some(Accuracy::Sample)
            }
            Loss::BinaryCrossentropy { .. } => Some(Accuracy::Output),
            Loss::MeanSquaredError
            | Loss::MeanAbsoluteError
            | Loss::Huber { .. }
            | Loss::Custom(_) => None,
        }
    }

    /// [`Loss::CategoricalCrossentropy`] without label smoothing.
    pub const CATEGORICAL_CROSSENTROPY: Loss =
        Loss::CategoricalCrossentropy { label_smoothing: 0.0 };
    /// [`Loss::BinaryCrossentropy`] without label smoothing.
    pub const BINARY_CROSSENTROPY: Loss = Loss::BinaryCrossentropy { label_smoothing: 0.0 };
}
