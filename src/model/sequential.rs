//! A stack of layers.

use serde::{Deserialize, Serialize};

use crate::activation::Activation;
use crate::loss::Loss;
use crate::metric::Metric;
use crate::optimizer::Adam;
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

/// A dense layer: `activation(x·W + b)`, weight `[inputs, units]`, bias `[units]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Dense {
    /// Size of its output.
    pub units: usize,
    /// Applied to the output.
    pub activation: Activation,
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
    pub fn dense(mut self, units: usize, activation: Activation) -> Self {
        self.layers.push(Dense { units, activation });
        self
    }

    /// Number of outputs: the units of the last layer.
    pub fn outputs(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.units)
    }

    /// Chooses how it is trained and what is reported.
    pub fn compile(
        self,
        optimizer: Adam,
        loss: Loss,
        metrics: impl IntoIterator<Item = Metric>,
    ) -> Compiled {
        Compiled {
            architecture: self,
            optimizer,
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
    pub optimizer: Adam,
    /// What is minimised.
    pub loss: Loss,
    /// What is reported beside the loss.
    pub metrics: Vec<Metric>,
    /// Determines the initial weights and the order of the samples; 0 by default.
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
