//! Batch normalization.

use serde::{Deserialize, Serialize};

use super::contract::{Forward, affine, check, check_epsilon, parameters};
use crate::error::Result;
use crate::program::{Graph, Initial, Value};

/// Brings each value to mean 0 and variance 1 over the batch, then to mean `beta` and standard
/// deviation `gamma`, which are trained (Ioffe and Szegedy, 2015). Outside training it takes moving
/// averages of mean and variance in place of the batch's.
///
/// Its tensors, `[inputs]` each: `gamma`, `beta`, `moving_mean`, `moving_variance`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BatchNormalization {
    /// What remains of a moving average in each step; 0.99 by default.
    pub momentum: f64,
    /// Added to the variance; 0.001 by default.
    pub epsilon: f64,
    /// Whether there is a beta; true by default.
    pub center: bool,
    /// Whether there is a gamma; true by default.
    pub scale: bool,
    /// Whether training changes anything in it; true by default. If not, it takes the moving
    /// averages in training too, as in Keras.
    pub trainable: bool,
}

impl Default for BatchNormalization {
    fn default() -> Self {
        Self::new()
    }
}

impl BatchNormalization {
    /// With [Keras' defaults](https://keras.io/api/layers/normalization_layers/batch_normalization/).
    pub fn new() -> Self {
        BatchNormalization {
            momentum: 0.99,
            epsilon: 0.001,
            center: true,
            scale: true,
            trainable: true,
        }
    }

    /// Chooses what remains of a moving average in each step; 0 to 1.
    pub fn momentum(mut self, momentum: f64) -> Self {
        self.momentum = momentum;
        self
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

    /// Stays as it is in training: `trainable = False` in Keras.
    pub fn frozen(mut self) -> Self {
        self.trainable = false;
        self
    }
}

impl Forward for BatchNormalization {
    const KIND: &'static str = "batch_normalization";

    fn forward(&self, graph: &mut Graph, input: &Value) -> Result<Value> {
        let fits = (0.0..=1.0).contains(&self.momentum);
        check("momentum", self.momentum, fits, "0 to 1")?;
        check_epsilon(self.epsilon)?;
        let columns = input.columns();
        let affine = affine(graph, columns, [self.scale, self.center], self.trainable)?;
        let mean = graph.state("moving_mean", Initial::Same(0.0, columns))?;
        let variance = graph.state("moving_variance", Initial::Same(1.0, columns))?;
        let moving = [&mean, &variance];
        match self.trainable {
            true => graph.batch_normalize(input, affine, moving, self.momentum, self.epsilon),
            false => graph.normalize(input, affine, moving, self.epsilon),
        }
    }

    fn outputs(&self, inputs: usize) -> usize {
        inputs
    }

    fn parameters(&self, inputs: usize) -> [usize; 2] {
        let vectors = usize::from(self.scale) + usize::from(self.center);
        let [trained, frozen] = parameters(self.trainable, inputs.saturating_mul(vectors));
        [trained, frozen.saturating_add(inputs.saturating_mul(2))]
    }
}
