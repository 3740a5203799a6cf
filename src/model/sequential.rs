//! A stack of layers.

use serde::{Deserialize, Serialize};

use super::{Initializer, Regularizer};
use crate::activation::Activation;
use crate::loss::Loss;
use crate::metric::Metric;
use crate::optimizer::Optimizer;
use crate::schedule::Schedule;

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

/// A layer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
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
    /// Nothing happens: samples are flat already.
    Flatten,
}

impl From<Dense> for Layer {
    fn from(dense: Dense) -> Self {
        Layer::Dense(dense)
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
}

/// Layers one after the other, as [Keras' class](https://keras.io/api/models/sequential/).
///
/// Weights begin as Keras' do: Glorot uniform, biases zero.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sequential {
    /// What goes into the first layer.
    pub input: Input,
    /// The layers, first to last.
    pub layers: Vec<Layer>,
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
    pub fn layer(mut self, layer: impl Into<Layer>) -> Self {
        self.layers.push(layer.into());
        self
    }

    /// Appends an activation. After a dense layer without one it becomes a part of it.
    pub fn activation(self, activation: Activation) -> Self {
        self.layer(Layer::Activation { activation })
    }

    /// Appends a dropout of the share `rate`.
    pub fn dropout(self, rate: f64) -> Self {
        self.layer(Layer::Dropout { rate })
    }

    /// Appends nothing that would change anything: samples are flat already.
    pub fn flatten(self) -> Self {
        self.layer(Layer::Flatten)
    }

    /// The dense layers, each with its number of inputs.
    pub fn dense_layers(&self) -> impl Iterator<Item = (usize, &Dense)> {
        let mut inputs = self.input.width().unwrap_or(0);
        self.layers.iter().filter_map(move |layer| match layer {
            Layer::Dense(dense) => Some((std::mem::replace(&mut inputs, dense.units), dense)),
            _ => None,
        })
    }

    /// Number of outputs: the units of the last dense layer.
    pub fn outputs(&self) -> usize {
        self.dense_layers().last().map_or(0, |(_, dense)| dense.units)
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
            schedule: None,
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
    /// Determines the initial weights, the order of the samples and what dropout drops; 0 by
    /// default.
    pub seed: u64,
    /// The learning rate of each step, in place of the optimizer's; none by default.
    pub schedule: Option<Schedule>,
}

impl Compiled {
    /// Sets the seed of initial weights and shuffling.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Lets the learning rate follow a schedule: the optimizer's own is not used then.
    pub fn schedule(mut self, schedule: impl Into<Schedule>) -> Self {
        self.schedule = Some(schedule.into());
        self
    }
}
