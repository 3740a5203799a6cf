//! The network: an encoding of the place, some layers, a colour.

use std::ffi::OsStr;

use minibatch::model::{HashGrid, Initializer};
use minibatch::program::{Graph, Value};
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
        let layers = match self {
            Encoding::Hash => {
                let grid = HashGrid::new()
                    .levels(8)
                    .features(2)
                    .log2_table_size(14)
                    .base_resolution(16)
                    .finest_resolution(256);
                place.hash_grid(grid).dense(64, Activation::Relu).dense(64, Activation::Relu)
            }
            Encoding::Frequency => place
                .frequency_encoding(OCTAVES)
                .custom("products", products)
                .dense(PRODUCTS, Activation::Relu),
        };
        // The second moments forget sooner than usual, as the whole run is but a thousand steps.
        let adam = Adam { beta_2: 0.99, ..Adam::new(LEARNING_RATE) };
        layers
            .dense(3, Activation::Linear)
            .compile(adam, Loss::MeanSquaredError, [])
            .schedule(Schedule::CosineDecay(CosineDecay::new(LEARNING_RATE, steps.into())))
    }
}

const LEARNING_RATE: f64 = 1e-2;
/// The shortest wave is two pixels of 256 long.
const OCTAVES: usize = 9;
/// Units between the waves along an axis and the features of that axis.
const HIDDEN: usize = 128;
/// Features of each axis.
const PRODUCTS: usize = 96;

/// Features of x times features of y, as in CoordX (Liang and others, 2022): a sum of so many such
/// products comes near any picture, and one network for both axes needs more steps to.
fn products(graph: &mut Graph, waves: &Value) -> minibatch::Result<Value> {
    let half = waves.columns() / 2;
    let across = graph.slice(waves, 0..half)?;
    let down = graph.slice(waves, half..2 * half)?;
    let across = features(graph, "across", &across)?;
    let down = features(graph, "down", &down)?;
    graph.map([&across, &down], |[across, down]| across * down)
}

fn features(graph: &mut Graph, axis: &str, waves: &Value) -> minibatch::Result<Value> {
    let layer = |graph: &mut Graph, name: &str, input: &Value, units| {
        let shape = [input.columns(), units];
        let weight =
            graph.matrix(&format!("{axis}_{name}"), shape, Initializer::GlorotUniform, true)?;
        let bias = graph.vector(&format!("{axis}_{name}_bias"), units, Initializer::Zeros, true)?;
        graph.dense(input, &weight, Some(&bias))
    };
    let hidden = layer(graph, "hidden", waves, HIDDEN)?;
    let hidden = graph.activation(&hidden, Activation::Relu)?;
    layer(graph, "features", &hidden, PRODUCTS)
}
