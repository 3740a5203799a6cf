//! A stack of layers.

use serde::{Deserialize, Serialize};

use super::Dense;
use super::loss::Loss;
use super::metric::Metric;
use super::optimizer::Optimizer;
use super::{
    BatchNormalization, Compiled, CustomLayer, Dropout, Flatten, FrequencyEncoding, Functional,
    GaussianNoise, HashGrid, Input, Layer, LayerNormalization, Objective,
};
use crate::error::Result;
use crate::operation::activation::Activation;
use crate::program::{Graph, Value};

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

    /// Appends a [layer of the user's own](CustomLayer), by whose name a saved model asks for it.
    pub fn custom(
        self,
        name: &str,
        function: impl Fn(&mut Graph, &Value) -> Result<Value> + Send + Sync + 'static,
    ) -> Self {
        self.layer(CustomLayer::new(name, function))
    }

    /// Appends an activation. After a dense layer without one it becomes a part of it.
    pub fn activation(self, activation: Activation) -> Self {
        self.layer(Layer::Activation(activation.into()))
    }

    /// Appends a dropout of the share `rate`.
    pub fn dropout(self, rate: f64) -> Self {
        self.layer(Layer::Dropout(Dropout { rate }))
    }

    /// Appends noise of this standard deviation.
    pub fn gaussian_noise(self, standard_deviation: f64) -> Self {
        self.layer(Layer::GaussianNoise(GaussianNoise { standard_deviation }))
    }

    /// Appends a [`BatchNormalization`] with Keras' defaults.
    pub fn batch_normalization(self) -> Self {
        self.layer(BatchNormalization::new())
    }

    /// Appends a [`LayerNormalization`] with Keras' defaults.
    pub fn layer_normalization(self) -> Self {
        self.layer(LayerNormalization::new())
    }

    /// Appends a [`FrequencyEncoding`] of so many frequencies.
    pub fn frequency_encoding(self, frequencies: usize) -> Self {
        self.layer(FrequencyEncoding::new(frequencies))
    }

    /// Appends a [`HashGrid`].
    pub fn hash_grid(self, grid: HashGrid) -> Self {
        self.layer(grid)
    }

    /// Appends nothing that would change anything: samples are flat already.
    pub fn flatten(self) -> Self {
        self.layer(Layer::Flatten(Flatten {}))
    }

    /// Chooses how it is trained and what is reported.
    pub fn compile(
        self,
        optimizer: impl Into<Optimizer>,
        loss: Loss,
        metrics: impl IntoIterator<Item = Metric>,
    ) -> Compiled {
        let objective = Objective::new(loss).metrics(metrics);
        Functional::from(self).compile(optimizer, [(Functional::OUTPUT, objective)])
    }

    /// The table of [`Functional::summary`].
    pub fn summary(&self) -> String {
        Functional::from(self.clone()).summary()
    }
}

impl From<Sequential> for Functional {
    fn from(Sequential { input, layers }: Sequential) -> Self {
        let mut graph = Functional::new();
        let mut value = graph.input(Functional::INPUT, input);
        for layer in layers {
            value = graph.layer(value, layer);
        }
        graph.output(Functional::OUTPUT, value);
        graph
    }
}
