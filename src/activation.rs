//! Activation functions.

use serde::{Deserialize, Serialize};

/// The function that a layer applies to `x·W + b`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// The identity.
    #[default]
    Linear,
    /// `max(x, 0)`; its derivative at 0 is 0.
    Relu,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
    /// `exp(x) / sum(exp(x))` over the units of a sample. Last layer only.
    Softmax,
}

/// An activation that treats each value by itself, and so can be fused into the dense operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Elementwise {
    /// The identity.
    #[default]
    Linear,
    /// `max(x, 0)`.
    Relu,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
}

impl Activation {
    /// The elementwise function, if it is one.
    pub fn elementwise(self) -> Option<Elementwise> {
        match self {
            Activation::Linear => Some(Elementwise::Linear),
            Activation::Relu => Some(Elementwise::Relu),
            Activation::Sigmoid => Some(Elementwise::Sigmoid),
            Activation::Tanh => Some(Elementwise::Tanh),
            Activation::Softmax => None,
        }
    }
}
