//! The frequency encoding.

use serde::{Deserialize, Serialize};

use super::contract::Forward;
use crate::error::Result;
use crate::operation::Frequencies;
use crate::program::{Graph, Value};

/// Sines and cosines of each input at several frequencies, so that a network after it learns what
/// changes fast: `sin(2^k π x)`, `cos(2^k π x)` for `k` from 0 to `frequencies - 1`, as NeRF encodes its
/// positions ([Mildenhall and others, 2020](https://arxiv.org/abs/2003.08934), equation 4).
///
/// `[batch, inputs]` becomes `[batch, 2 · frequencies · inputs]`: input by input its waves, each frequency's
/// sine before its cosine. With [`with_input`](Self::with_input) the inputs themselves stand before all of
/// these. Inputs are meant to lie in `[-1, 1]`, where the slowest wave has one turn; others are right too.
/// It has no parameters, and gradients pass it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrequencyEncoding {
    /// Frequencies of each input, 1 to 32; 10 for positions in the paper.
    pub frequencies: usize,
    /// Whether the inputs themselves stand before the waves; false by default.
    #[serde(default)]
    pub include_input: bool,
}

impl FrequencyEncoding {
    /// Of so many frequencies, without the input itself.
    pub fn new(frequencies: usize) -> Self {
        FrequencyEncoding { frequencies, include_input: false }
    }

    /// Puts the inputs themselves before their waves.
    pub fn with_input(mut self) -> Self {
        self.include_input = true;
        self
    }
}

impl Forward for FrequencyEncoding {
    const KIND: &'static str = "frequency_encoding";

    fn forward(&self, graph: &mut Graph, input: &Value) -> Result<Value> {
        let frequencies = Frequencies::new(self.frequencies, self.include_input)?;
        graph.frequency_encoding(input, frequencies)
    }

    fn outputs(&self, inputs: usize) -> usize {
        let own = if self.include_input { inputs } else { 0 };
        inputs.saturating_mul(self.frequencies.saturating_mul(2)).saturating_add(own)
    }

    fn parameters(&self, _: usize) -> [usize; 2] {
        [0, 0]
    }
}
