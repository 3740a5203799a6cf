//! Gaussian noise.

use serde::{Deserialize, Serialize};

use super::contract::{Forward, check_not_negative};
use crate::error::Result;
use crate::program::{Graph, Value};

/// In training, a random number of mean 0 and this standard deviation is added to each value; else
/// nothing happens.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GaussianNoise {
    /// At least 0.
    pub standard_deviation: f64,
}

impl Forward for GaussianNoise {
    const KIND: &'static str = "gaussian_noise";

    fn forward(&self, graph: &mut Graph, input: &Value) -> Result<Value> {
        check_not_negative("standard_deviation", self.standard_deviation)?;
        graph.gaussian_noise(input, self.standard_deviation)
    }

    fn outputs(&self, inputs: usize) -> usize {
        inputs
    }

    fn parameters(&self, _: usize) -> [usize; 2] {
        [0, 0]
    }
}
