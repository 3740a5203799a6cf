//! What large weights cost.

use serde::{Deserialize, Serialize};

/// A cost added to the loss: `l1 · sum |w| + l2 · sum w²`
/// ([Keras' page](https://keras.io/api/layers/regularizers/)).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Regularizer {
    /// Of the sum of absolute values; 0 by default.
    #[serde(default)]
    pub l1: f64,
    /// Of the sum of squares; 0 by default.
    #[serde(default)]
    pub l2: f64,
}

impl Regularizer {
    /// Keras' `L1`; 0.01 there by default.
    pub fn l1(l1: f64) -> Self {
        Regularizer { l1, l2: 0.0 }
    }

    /// Keras' `L2`; 0.01 there by default.
    pub fn l2(l2: f64) -> Self {
        Regularizer { l1: 0.0, l2 }
    }

    /// Keras' `L1L2`.
    pub fn l1_l2(l1: f64, l2: f64) -> Self {
        Regularizer { l1, l2 }
    }

    /// True if nothing costs anything.
    pub fn is_none(&self) -> bool {
        *self == Regularizer::default()
    }
}
