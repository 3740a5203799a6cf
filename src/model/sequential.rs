//! A stack of layers.

use serde::{Deserialize, Serialize};

use super::Regularizer;
use crate::activation::Activation;
use crate::loss::Loss;
use crate::metric::Metric;
use crate::optimizer::Optimizer;

/// What one sample consists of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// Shape of one sample; it is flattened row by row.
    pub shape: Vec<usize>,
    /// Type of its values.
    #[serde(flatten)]
    pub values: InputType,
}

/// The type of a sample's values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum InputType {
    /// Floats, used as they are.
    F32,
    /// Bytes, each multiplied by `scale` on the device.
    U8 {
        /// 1/255 for pixels.
        scale: f64,
    },
}

impl Input {
    /// Floats, `shape` a sample.
    pub fn floats(shape: &[usize]) -> Self {
        Input { shape: shape.to_vec(), values: InputType::F32 }
    }

    /// Bytes 0-255 that become 0-1, `shape` a sample.
    pub fn pixels(shape: &[usize]) -> Self {
        Input { shape: shape.to_vec(), values: InputType::U8 { scale: 1.0 / 255.0 } }
    }

    /// Values in one sample; `None` if the product overflows.
    pub fn width(&self) -> Option<usize> {
        self.shape.iter().try_fold(1usize, |product, &d| product.checked_mul(d))
    }
}

impl From<usize> for Input {
    fn from(width: usize) -> Self {
        Input::floats(&[width])
    }
}

/// A dense layer: `activation(x·W + b)`, weight `[inputs, units]`, bias `[units]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Dense {
    /// Size of its output.
    pub units: usize,
    /// Applied to the output.
    pub activation: Activation,
    /// What the weight costs; nothing by default.
    #[serde(default, skip_serializing_if = "Regularizer::is_none")]
    pub weight_regularizer: Regularizer,
    /// What the bias costs; nothing by default.
    #[serde(default, skip_serializing_if = "Regularizer::is_none")]
    pub bias_regularizer: Regularizer,
}

impl Dense {
    /// A layer without regularizers.
    pub fn new(units: usize, activation: Activation) -> Self {
        Dense {
            units,
            activation,
            weight_regularizer: Regularizer::default(),
            bias_regularizer: Regularizer::default(),
        }
    }

    /// Makes the weight cost something.
    pub fn weight_regularizer(mut self, regularizer: Regularizer) -> Self {
        self.weight_regularizer = regularizer;
        self
    }

    /// Makes the bias cost something.
    pub fn bias_regularizer(mut self, regularizer: Regularizer) -> Self {
        self.bias_regularizer = regularizer;
        self
    }
}

/// Layers one after the other, as [Keras' class](https://keras.io/api/models/sequential/).
///
/// Weights begin as Keras' do: Glorot uniform, biases zero.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sequential {
    /// What goes into the first layer.
    pub input: Input,
    /// The layers, first to last.
    pub layers: Vec<Dense>,
}

impl Sequential {
    /// No layer yet; samples of so many floats, or an [`Input`].
    pub fn new(input: impl Into<Input>) -> Self {
        Sequential { input: input.into(), layers: Vec::new() }
    }

    /// Appends a dense layer.
    pub fn dense(self, units: usize, activation: Activation) -> Self {
        self.layer(Dense::new(units, activation))
    }

    /// Appends a layer.
    pub fn layer(mut self, layer: Dense) -> Self {
        self.layers.push(layer);
        self
    }

    /// Number of outputs: the units of the last layer.
    pub fn outputs(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.units)
    }

    /// Chooses how it is trained and what is reported.
    pub fn compile(
        self,
        optimizer: impl Into<Optimizer>,
        loss: Loss,
        metrics: impl IntoIterator<Item = Metric>,
    ) -> Compiled {
        Compiled {
            architecture: self,
            optimizer: optimizer.into(),
            loss,
            metrics: metrics.into_iter().collect(),
            seed: 0,
        }
    }
}

/// A model with all that training needs but a place to run; `build` gives it that.
#[derive(Debug, Clone, PartialEq)]
pub struct Compiled {
    /// Its layers.
    pub architecture: Sequential,
    /// How weights are updated.
    pub optimizer: Optimizer,
    /// What is minimised.
    pub loss: Loss,
    /// What is reported beside the loss.
    pub metrics: Vec<Metric>,
    /// Determines the initial weights and the order of the samples; 0 by default.
    pub seed: u64,
}

impl Compiled {
    /// Sets the seed of initial weights and shuffling.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }
}
