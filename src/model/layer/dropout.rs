//! Dropout.

use serde::{Deserialize, Serialize};

use super::contract::{Forward, check};
use crate::error::Result;
use crate::program::{Graph, Value};

/// In training, each value is dropped with probability `rate`, and the others are multiplied by
/// `1 / (1 - rate)`; else nothing happens (Srivastava and others, 2014).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Dropout {
    /// At least 0 and less than 1.
    pub rate: f64,
}

impl Forward for Dropout {
    const KIND: &'static str = "dropout";

    fn forward(&self, graph: &mut Graph, input: &Value) -> Result<Value> {
        let fits = (0.0..1.0).contains(&self.rate);
        check("rate", self.rate, fits, "at least 0 and less than 1")?;
        graph.dropout(input, self.rate)
    }

    fn outputs(&self, inputs: usize) -> usize {
        inputs
    }

    fn parameters(&self, _: usize) -> [usize; 2] {
        [0, 0]
    }
}
