//! The layers.

use serde::{Deserialize, Serialize};

use super::normalization::{BatchNormalization, LayerNormalization, Normalization};
use super::{Initializer, Regularizer};
use crate::operation::activation::Activation;

/// A layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "layer", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Layer {
    /// [`Dense`].
    Dense(Dense),
    /// An activation of its own.
    Activation {
        /// Applied to each value.
        activation: Activation,
    },
    /// In training, each value is dropped with probability `rate`, and the others are multiplied
    /// by `1 / (1 - rate)`; else nothing happens (Srivastava and others, 2014).
    Dropout {
        /// At least 0 and less than 1.
        rate: f64,
    },
    /// In training, a random number of mean 0 and this standard deviation is added to each value;
    /// else nothing happens.
    GaussianNoise {
        /// At least 0.
        standard_deviation: f64,
    },
    /// [`BatchNormalization`].
    BatchNormalization(BatchNormalization),
    /// [`LayerNormalization`].
    LayerNormalization(LayerNormalization),
    /// [`Normalization`].
    Normalization(Normalization),
    /// `input * scale + offset`.
    Rescaling {
        /// By which each value is multiplied.
        scale: f64,
        /// What is added then.
        offset: f64,
    },
    /// Nothing happens: samples are flat already.
    Flatten,
}

impl Layer {
    /// What layers of its kind are called, before their number: `dense`.
    pub fn kind(&self) -> &'static str {
        match self {
            Layer::Dense(_) => "dense",
            Layer::Activation { .. } => "activation",
            Layer::Dropout { .. } => "dropout",
            Layer::GaussianNoise { .. } => "gaussian_noise",
            Layer::BatchNormalization(_) => "batch_normalization",
            Layer::LayerNormalization(_) => "layer_normalization",
            Layer::Normalization(_) => "normalization",
            Layer::Rescaling { .. } => "rescaling",
            Layer::Flatten => "flatten",
        }
    }

    /// Values of a sample that it makes of `inputs`.
    pub fn outputs(&self, inputs: usize) -> usize {
        match self {
            Layer::Dense(dense) => dense.units,
            _ => inputs,
        }
    }

    /// The number of values in it that are trained, and of those that are not, with so many inputs
    /// a sample.
    pub fn parameters(&self, inputs: usize) -> [usize; 2] {
        let by = |trainable: bool, count: usize| if trainable { [count, 0] } else { [0, count] };
        match self {
            Layer::Dense(dense) => {
                let rows = inputs.saturating_add(usize::from(dense.use_bias));
                by(dense.trainable, rows.saturating_mul(dense.units))
            }
            Layer::BatchNormalization(layer) => {
                let vectors = usize::from(layer.scale) + usize::from(layer.center);
                let [trained, frozen] = by(layer.trainable, inputs.saturating_mul(vectors));
                [trained, frozen.saturating_add(inputs.saturating_mul(2))]
            }
            Layer::LayerNormalization(layer) => {
                let vectors = usize::from(layer.scale) + usize::from(layer.center);
                by(layer.trainable, inputs.saturating_mul(vectors))
            }
            Layer::Normalization(_) => [0, inputs.saturating_mul(2)],
            Layer::Activation { .. }
            | Layer::Dropout { .. }
            | Layer::GaussianNoise { .. }
            | Layer::Rescaling { .. }
            | Layer::Flatten => [0, 0],
        }
    }
}

impl From<Dense> for Layer {
    fn from(dense: Dense) -> Self {
        Layer::Dense(dense)
    }
}

impl From<BatchNormalization> for Layer {
    fn from(layer: BatchNormalization) -> Self {
        Layer::BatchNormalization(layer)
    }
}

impl From<LayerNormalization> for Layer {
    fn from(layer: LayerNormalization) -> Self {
        Layer::LayerNormalization(layer)
    }
}

impl From<Normalization> for Layer {
    fn from(layer: Normalization) -> Self {
        Layer::Normalization(layer)
    }
}

/// A dense layer: `activation(x·W + b)`, weight `[inputs, units]`, bias `[units]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Dense {
    /// Size of its output.
    pub units: usize,
    /// Applied to the output.
    pub activation: Activation,
    /// Whether there is a bias; true by default.
    #[serde(default = "yes")]
    pub use_bias: bool,
    /// How the weight begins; Glorot uniform by default.
    #[serde(default)]
    pub weight_initializer: Initializer,
    /// How the bias begins; zeros by default.
    #[serde(default = "Initializer::zeros")]
    pub bias_initializer: Initializer,
    /// What the weight costs; nothing by default.
    #[serde(default)]
    pub weight_regularizer: Regularizer,
    /// What the bias costs; nothing by default.
    #[serde(default)]
    pub bias_regularizer: Regularizer,
    /// What the layer's results cost, added up over the samples of a batch; nothing by default.
    #[serde(default)]
    pub activity_regularizer: Regularizer,
    /// Whether training changes weight and bias; true by default.
    #[serde(default = "yes")]
    pub trainable: bool,
}

fn yes() -> bool {
    true
}

impl Dense {
    /// A layer with Keras' defaults.
    pub fn new(units: usize, activation: Activation) -> Self {
        Dense {
            units,
            activation,
            use_bias: true,
            weight_initializer: Initializer::GlorotUniform,
            bias_initializer: Initializer::Zeros,
            weight_regularizer: Regularizer::default(),
            bias_regularizer: Regularizer::default(),
            activity_regularizer: Regularizer::default(),
            trainable: true,
        }
    }

    /// Adds no bias.
    pub fn without_bias(mut self) -> Self {
        self.use_bias = false;
        self
    }

    /// Leaves weight and bias as they are in training: `trainable = False` in Keras.
    pub fn frozen(mut self) -> Self {
        self.trainable = false;
        self
    }

    /// Chooses how the weight begins.
    pub fn weight_initializer(mut self, initializer: Initializer) -> Self {
        self.weight_initializer = initializer;
        self
    }

    /// Chooses how the bias begins.
    pub fn bias_initializer(mut self, initializer: Initializer) -> Self {
        self.bias_initializer = initializer;
        self
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

    /// Makes the layer's results cost something.
    pub fn activity_regularizer(mut self, regularizer: Regularizer) -> Self {
        self.activity_regularizer = regularizer;
        self
    }
}
