//! The network between the data's two ends: its sizes and its name.

use anyhow::ensure;
use minibatch::model::{Input, Layer, Normalization};
use minibatch::{Activation, Sequential};

/// More would take over 4 GB with Adam's moments and the gradient, and memory that runs out ends
/// a program without a message.
const MOST_PARAMETERS: usize = 1 << 28;

/// Dense layers on pixels: ReLU in `hidden`, each followed by dropout if `dropout` is not 0, softmax
/// over `classes`.
///
/// # Errors
/// If it has too many parameters.
pub(crate) fn build(
    sample_shape: &[usize],
    hidden: &[usize],
    dropout: f64,
    classes: usize,
) -> anyhow::Result<Sequential> {
    let network = Sequential::new(Input::pixels(sample_shape));
    checked(with_hidden(network, hidden, dropout).dense(classes, Activation::Softmax))
}

/// What comes out of a network for a table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Output {
    /// Softmax over so many classes.
    Classes(usize),
    /// One value, whose mean and standard deviation are known, so that the layers before need not
    /// learn them.
    Value { mean: f64, deviation: f64 },
}

/// The same on the values of a table's row, which `standardize` brings to mean 0 and variance 1.
///
/// # Errors
/// As [`build`].
pub(crate) fn build_for_table(
    standardize: Normalization,
    hidden: &[usize],
    dropout: f64,
    output: Output,
) -> anyhow::Result<Sequential> {
    let network = Sequential::new(standardize.mean.len()).layer(standardize);
    let network = with_hidden(network, hidden, dropout);
    checked(match output {
        Output::Classes(classes) => network.dense(classes, Activation::Softmax),
        // The inverse of a normalization is one too: (x - m) / s, with m = -mean / deviation and
        // s = 1 / deviation, is mean + deviation * x.
        Output::Value { mean, deviation } => {
            let inverse = Normalization {
                mean: vec![-mean / deviation],
                variance: vec![1.0 / (deviation * deviation)],
            };
            network.dense(1, Activation::Linear).layer(inverse)
        }
    })
}

fn with_hidden(mut network: Sequential, hidden: &[usize], dropout: f64) -> Sequential {
    for &units in hidden {
        network = network.dense(units, Activation::Relu);
        if dropout > 0.0 {
            network = network.dropout(dropout);
        }
    }
    network
}

fn checked(network: Sequential) -> anyhow::Result<Sequential> {
    ensure!(
        parameters(&network).is_some_and(|count| count <= MOST_PARAMETERS),
        "a network of {} has more than {MOST_PARAMETERS} parameters; give smaller layers",
        sizes(&network.input, &network.layers)
    );
    Ok(network)
}

/// `784-128-10`.
pub(crate) fn sizes<'a>(input: &Input, layers: impl IntoIterator<Item = &'a Layer>) -> String {
    let inputs = input.width().map_or("?".into(), |width| width.to_string());
    let units = layers.into_iter().filter_map(|layer| match layer {
        Layer::Dense(dense) => Some(dense.units.to_string()),
        _ => None,
    });
    std::iter::once(inputs).chain(units).collect::<Vec<_>>().join("-")
}

/// Number of weights and biases; `None` if it overflows.
pub(crate) fn parameters(network: &Sequential) -> Option<usize> {
    let mut inputs = network.input.width()?;
    let mut total = 0usize;
    for layer in &network.layers {
        if let Layer::Dense(dense) = layer {
            total = inputs.checked_add(1)?.checked_mul(dense.units)?.checked_add(total)?;
        }
        inputs = layer.outputs(inputs);
    }
    Some(total)
}
