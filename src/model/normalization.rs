//! Layers that bring their inputs to a mean and a variance.

use serde::{Deserialize, Serialize};

use crate::data::{Dataset, Features};
use crate::error::{Error, Result};

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

/// Brings each value to mean 0 and variance 1 over data that it was shown before training, as
/// [Keras' layer](https://keras.io/api/layers/preprocessing_layers/numerical/normalization/):
/// `(input - mean) / max(sqrt(variance), 1e-7)`.
///
/// Its tensors, `[inputs]` each: `mean`, `variance`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Normalization {
    /// Of each value.
    pub mean: Vec<f64>,
    /// Of each value, over all samples.
    pub variance: Vec<f64>,
}

impl Normalization {
    /// Mean and variance of each value over the samples of `data`. Bytes count as what
    /// [`Input::pixels`](super::Input::pixels) makes of them before any layer sees them: 0 to 1.
    ///
    /// # Errors
    /// [`Error::Argument`] if there are several inputs; see [`adapt_input`](Self::adapt_input).
    pub fn adapt(data: &Dataset) -> Result<Self> {
        match data.inputs() {
            [only] => Self::adapt_input(data, &only.name),
            inputs => {
                let names: Vec<&str> = inputs.iter().map(|input| input.name.as_str()).collect();
                let problem =
                    format!("has the inputs {}; name one with adapt_input", names.join(", "));
                Err(Error::argument("data", problem))
            }
        }
    }

    /// The same of the input called `input`, among several.
    ///
    /// # Errors
    /// [`Error::Argument`] if there is none of that name.
    pub fn adapt_input(data: &Dataset, input: &str) -> Result<Self> {
        let data = data.arranged(&[input], &[])?;
        let Some(column) = data.inputs().first() else {
            return Err(Error::argument("data", "has no input; give at least one"));
        };
        let width = column.width();
        let mut mean = vec![0.0; width];
        let mut variance = vec![0.0; width];
        let count = data.len().max(1) as f64;
        // Two passes: the variance of what lies far from 0 would not survive one.
        let each = |visit: &mut dyn FnMut(usize, f64)| -> Result<()> {
            for index in 0..data.len() {
                let bytes = data.sample(index)?.input(0);
                match column.features {
                    Features::U8(_) => {
                        let scaled = bytes.iter().map(|&x| f64::from(x) / 255.0);
                        scaled.enumerate().for_each(|(i, x)| visit(i, x));
                    }
                    Features::F32(_) => {
                        let words = bytes.chunks_exact(4).enumerate();
                        words.for_each(|(i, word)| {
                            visit(i, f64::from(bytemuck::pod_read_unaligned::<f32>(word)));
                        });
                    }
                }
            }
            Ok(())
        };
        each(&mut |i, x| mean[i] += x / count)?;
        each(&mut |i, x| variance[i] += (x - mean[i]) * (x - mean[i]) / count)?;
        Ok(Normalization { mean, variance })
    }
}
