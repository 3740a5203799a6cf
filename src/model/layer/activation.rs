//! An activation as a layer of its own.

use serde::{Deserialize, Serialize};

use super::contract::{Forward, check_not_negative};
use crate::error::Result;
use crate::operation::activation::Activation;
use crate::program::{Graph, Value};

/// An activation as a layer of its own. After a dense layer without one it costs nothing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ActivationLayer {
    /// Applied to each value, softmax to all values of a sample.
    pub activation: Activation,
}

impl From<Activation> for ActivationLayer {
    fn from(activation: Activation) -> Self {
        ActivationLayer { activation }
    }
}

impl Forward for ActivationLayer {
    const KIND: &'static str = "activation";

    fn forward(&self, graph: &mut Graph, input: &Value) -> Result<Value> {
        check_activation(self.activation)?;
        graph.activation(input, self.activation)
    }

    fn outputs(&self, inputs: usize) -> usize {
        inputs
    }

    fn parameters(&self, _: usize) -> [usize; 2] {
        [0, 0]
    }
}

/// Whether its constant, if it has one, is in its range. With a slope below 0 the result would not tell
/// the derivative.
pub(super) fn check_activation(activation: Activation) -> Result<()> {
    match activation.constant() {
        Some((name, value)) => check_not_negative(name, value),
        None => Ok(()),
    }
}
