//! Activation functions, as on [Keras' page](https://keras.io/api/layers/activations/).

use serde::{Deserialize, Serialize};

/// The function that a layer applies to `x·W + b`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// The identity.
    #[default]
    Linear,
    /// `max(x, 0)`; its derivative at 0 is 0.
    Relu,
    /// `x` above 0, else `negative_slope · x`.
    LeakyRelu {
        /// 0.2 in Keras.
        negative_slope: f64,
    },
    /// `x` above 0, else `alpha · (exp(x) - 1)`.
    Elu {
        /// 1 in Keras.
        alpha: f64,
    },
    /// `1.0507 · x` above 0, else `1.7581 · (exp(x) - 1)` (Klambauer and others, 2017).
    Selu,
    /// `x · Φ(x)`, with the normal distribution's `Φ(x) = (1 + erf(x / √2)) / 2`.
    Gelu,
    /// The approximation of [`Gelu`](Self::Gelu) by
    /// `x · (1 + tanh(√(2/π) · (x + 0.044715 · x³))) / 2`.
    GeluTanh,
    /// `x · sigmoid(x)`, also called swish.
    Silu,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
    /// `log(1 + exp(x))`.
    Softplus,
    /// `exp(x) / sum(exp(x))` over the units of a sample.
    Softmax,
}

/// An f32 that can be compared and hashed, by its bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scalar(u32);

impl Scalar {
    /// The nearest f32.
    pub const fn new(value: f64) -> Self {
        Scalar((value as f32).to_bits())
    }

    /// Its value.
    pub fn value(self) -> f64 {
        f64::from(f32::from_bits(self.0))
    }
}

/// An activation that treats each value by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[allow(missing_docs, reason = "each variant is the Activation of its name")]
pub enum Elementwise {
    #[default]
    Linear,
    Relu,
    LeakyRelu {
        slope: Scalar,
    },
    Elu {
        alpha: Scalar,
    },
    Selu,
    Gelu,
    GeluTanh,
    Silu,
    Sigmoid,
    Tanh,
    Softplus,
}

impl Elementwise {
    /// Each of them, with Keras' constants.
    pub const ALL: [Elementwise; 11] = [
        Elementwise::Linear,
        Elementwise::Relu,
        Elementwise::LeakyRelu { slope: Scalar::new(0.2) },
        Elementwise::Elu { alpha: Scalar::new(1.0) },
        Elementwise::Selu,
        Elementwise::Sigmoid,
        Elementwise::Tanh,
        Elementwise::Softplus,
        Elementwise::Gelu,
        Elementwise::GeluTanh,
        Elementwise::Silu,
    ];

    /// Slope of [`Activation::Selu`] above 0, and its `alpha` below.
    pub const SELU: [f64; 2] = [1.050_700_987_355_480_5, 1.758_099_340_847_376_6];

    /// Whether its derivative can be told from its result, so that it can be part of the dense
    /// operation and needs no memory of its own; else it is told from its input.
    pub fn is_fused(self) -> bool {
        !matches!(self, Elementwise::Gelu | Elementwise::GeluTanh | Elementwise::Silu)
    }
}

impl Activation {
    /// [`Activation::LeakyRelu`] with Keras' slope of 0.2.
    pub const LEAKY_RELU: Activation = Activation::LeakyRelu { negative_slope: 0.2 };
    /// [`Activation::Elu`] with Keras' alpha of 1.
    pub const ELU: Activation = Activation::Elu { alpha: 1.0 };

    /// The elementwise function, if it is one.
    pub fn elementwise(self) -> Option<Elementwise> {
        Some(match self {
            Activation::Linear => Elementwise::Linear,
            Activation::Relu => Elementwise::Relu,
            Activation::LeakyRelu { negative_slope } => {
                Elementwise::LeakyRelu { slope: Scalar::new(negative_slope) }
            }
            Activation::Elu { alpha } => Elementwise::Elu { alpha: Scalar::new(alpha) },
            Activation::Selu => Elementwise::Selu,
            Activation::Gelu => Elementwise::Gelu,
            Activation::GeluTanh => Elementwise::GeluTanh,
            Activation::Silu => Elementwise::Silu,
            Activation::Sigmoid => Elementwise::Sigmoid,
            Activation::Tanh => Elementwise::Tanh,
            Activation::Softplus => Elementwise::Softplus,
            Activation::Softmax => return None,
        })
    }
}
