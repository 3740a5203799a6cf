//! Flatten.

use serde::{Deserialize, Serialize};

use super::contract::Forward;
use crate::error::Result;
use crate::program::{Graph, Value};

/// The values of a sample as one row. Nothing moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Flatten {}

impl Forward for Flatten {
    const KIND: &'static str = "flatten";

    fn forward(&self, graph: &mut Graph, input: &Value) -> Result<Value> {
        graph.reshape(input, &[input.columns()])
    }

    fn outputs(&self, inputs: usize) -> usize {
        inputs
    }

    fn parameters(&self, _: usize) -> [usize; 2] {
        [0, 0]
    }
}
