//! Layer normalization.

use serde::{Deserialize, Serialize};

use super::contract::{Forward, affine, check_epsilon, parameters};
use crate::error::Result;
use crate::program::{Graph, Value};

/// Brings the values of each sample to mean 0 and variance 1, then to mean `beta` and standard
/// deviation `gamma`, which are trained (Ba, Kiros and Hinton, 2016).
///
/// Its tensors, `[inputs]` each: `gamma`, `beta`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LayerNormalization {
    /// Added to the variance; 0.001 by default.
    pub epsilon: f64,
    /// Whether there is a beta; true by default.
    pub center: bool,
    /// Whether there is a gamma; true by default.
    pub scale: bool,
    /// Whether training changes gamma and beta; true by default.
    pub trainable: bool,
}

impl Default for LayerNormalization {
    fn default() -> Self {
        Self::new()
    }
}

impl LayerNormalization {
    /// With [Keras' defaults](https://keras.io/api/layers/normalization_layers/layer_normalization/).
    pub fn new() -> Self {
        LayerNormalization { epsilon: 0.001, center: true, scale: true, trainable: true }
    }

    /// Chooses what is added to the variance; positive.
    pub fn epsilon(mut self, epsilon: f64) -> Self {
        self.epsilon = epsilon;
        self
    }

    /// Has no beta.
    pub fn without_center(mut self) -> Self {
        self.center = false;
        self
    }

    /// Has no gamma.
    pub fn without_scale(mut self) -> Self {
        self.scale = false;
        self
    }

    /// Leaves gamma and beta as they are in training.
    pub fn frozen(mut self) -> Self {
        self.trainable = false;
        self
    }
}

impl Forward for LayerNormalization {
    const KIND: &'static str = "layer_normalization";

    fn forward(&self, graph: &mut Graph, input: &Value) -> Result<Value> {
        check_epsilon(self.epsilon)?;
        let scale_and_center = [self.scale, self.center];
        let affine = affine(graph, input.columns(), scale_and_center, self.trainable)?;
        graph.layer_normalize(input, affine, self.epsilon)
    }

    fn outputs(&self, inputs: usize) -> usize {
        inputs
    }

    fn parameters(&self, inputs: usize) -> [usize; 2] {
        let vectors = usize::from(self.scale) + usize::from(self.center);
        parameters(self.trainable, inputs.saturating_mul(vectors))
    }
}
