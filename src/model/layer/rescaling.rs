//! Rescaling.

use serde::{Deserialize, Serialize};

use super::contract::{Forward, check_finite};
use crate::error::Result;
use crate::program::{Affine, Graph, Value};

/// `input * scale + offset`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rescaling {
    /// By which each value is multiplied.
    pub scale: f64,
    /// What is added then.
    pub offset: f64,
}

impl Forward for Rescaling {
    const KIND: &'static str = "rescaling";

    fn forward(&self, graph: &mut Graph, input: &Value) -> Result<Value> {
        check_finite("scale", self.scale)?;
        check_finite("offset", self.offset)?;
        let mut constant = |name: &str, value| graph.constant(name, input.columns(), value);
        let (mean, variance) = (constant("zeros", 0.0)?, constant("ones", 1.0)?);
        let gamma = Some(constant("scale", self.scale)?);
        let beta = Some(constant("offset", self.offset)?);
        graph.normalize(input, Affine { gamma, beta }, [&mean, &variance], 0.0)
    }

    fn outputs(&self, inputs: usize) -> usize {
        inputs
    }

    fn parameters(&self, _: usize) -> [usize; 2] {
        [0, 0]
    }
}
