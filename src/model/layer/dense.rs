//! The dense layer.

use serde::{Deserialize, Serialize};

use super::activation::check_activation;
use super::contract::{Forward, parameters};
use crate::error::Result;
use crate::model::Regularizer;
use crate::operation::activation::Activation;
use crate::program::{Graph, Initializer, Value};

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

impl Forward for Dense {
    const KIND: &'static str = "dense";

    fn forward(&self, graph: &mut Graph, input: &Value) -> Result<Value> {
        check_activation(self.activation)?;
        let shape = [input.columns(), self.units];
        let weight = graph.matrix("weight", shape, self.weight_initializer, self.trainable)?;
        let Regularizer { l1, l2 } = self.weight_regularizer;
        graph.penalize(&weight, l1, l2)?;
        let bias = match self.use_bias {
            false => None,
            true => {
                let initializer = self.bias_initializer;
                let bias = graph.vector("bias", self.units, initializer, self.trainable)?;
                let Regularizer { l1, l2 } = self.bias_regularizer;
                graph.penalize(&bias, l1, l2)?;
                Some(bias)
            }
        };
        let sums = graph.dense(input, &weight, bias.as_ref())?;
        let value = graph.within("activation", |graph| graph.activation(&sums, self.activation))?;
        let Regularizer { l1, l2 } = self.activity_regularizer;
        graph.penalize_activity(&value, l1, l2)?;
        Ok(value)
    }

    fn outputs(&self, _: usize) -> usize {
        self.units
    }

    fn parameters(&self, inputs: usize) -> [usize; 2] {
        let rows = inputs.saturating_add(usize::from(self.use_bias));
        parameters(self.trainable, rows.saturating_mul(self.units))
    }
}
