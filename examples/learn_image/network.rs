//! The network: an encoding of the place, two or three layers, a colour.

use std::ffi::OsStr;

use minibatch::model::HashGrid;
use minibatch::schedule::CosineDecay;
use minibatch::{Activation, Adam, Compiled, Loss, Schedule, Sequential};

use crate::support::Result;

/// What a place becomes before the first layer. Without it a network of this size learns but a blur.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Learned features at the corners of grids, each finer than the one before (Müller and others,
    /// 2022).
    Hash,
    /// Sines and cosines of the place, each of twice the frequency of the one before (Mildenhall and
    /// others, 2020).
    Frequency,
}

impl Encoding {
    pub(crate) fn named(name: &OsStr) -> Result<Self> {
        match name.to_str() {
            Some("hash") => Ok(Encoding::Hash),
            Some("frequency") => Ok(Encoding::Frequency),
            _ => Err(format!("--encoding is hash or frequency, not {}", name.display()).into()),
        }
    }

    /// A network from `[x, y]`, each from 0 to 1, to `[red, green, blue]`, likewise; its learning
    /// rate falls to 0 within `steps`.
    pub(crate) fn network(self, steps: u32) -> Compiled {
        let place = Sequential::new(2);
        let (network, learning_rate) = match self {
            Encoding::Hash => {
                let grid = HashGrid::new()
                    .levels(8)
                    .features(2)
                    .log2_table_size(14)
                    .base_resolution(16)
                    .finest_resolution(256);
                let network =
                    place.hash_grid(grid).dense(64, Activation::Relu).dense(64, Activation::Relu);
                (network, 1e-2)
            }
            Encoding::Frequency => {
                let network = place
                    .frequency_encoding(8)
                    .dense(128, Activation::Relu)
                    .dense(128, Activation::Relu)
                    .dense(128, Activation::Relu);
                (network, 5e-3)
            }
        };
        let rate = CosineDecay::new(learning_rate, steps.into());
        network
            .dense(3, Activation::Linear)
            .compile(Adam::new(learning_rate), Loss::MeanSquaredError, [])
            .schedule(Schedule::CosineDecay(rate))
    }
}
