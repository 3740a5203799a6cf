//! What every layer says of itself.

use crate::error::{Error, Result};
use crate::program::{Affine, Graph, Initializer, Value};

/// A kind of layer.
pub(crate) trait Forward {
    /// What layers of its kind are called, before their number.
    const KIND: &'static str;

    /// Adds what it computes to the graph, whose scope is the layer's name; also says what it
    /// costs.
    ///
    /// # Errors
    /// [`Error::Argument`] for a constant out of its range, [`Error::Shape`] for an input that does
    /// not fit.
    fn forward(&self, graph: &mut Graph, input: &Value) -> Result<Value>;

    /// Values of a sample that it makes of `inputs`.
    fn outputs(&self, inputs: usize) -> usize;

    /// The number of values in it that are trained, and of those that are not.
    fn parameters(&self, inputs: usize) -> [usize; 2];
}

/// `count` values, trained or not.
pub(super) fn parameters(trainable: bool, count: usize) -> [usize; 2] {
    if trainable { [count, 0] } else { [0, count] }
}

/// Gamma and beta of a normalization, those that it has.
pub(super) fn affine(
    graph: &mut Graph,
    columns: usize,
    [scale, center]: [bool; 2],
    trainable: bool,
) -> Result<Affine> {
    let mut vector = |there: bool, name: &str, initializer| match there {
        true => graph.vector(name, columns, initializer, trainable).map(Some),
        false => Ok(None),
    };
    let gamma = vector(scale, "gamma", Initializer::Ones)?;
    Ok(Affine { gamma, beta: vector(center, "beta", Initializer::Zeros)? })
}

/// Refuses a constant that does not fit.
pub(super) fn check(argument: &'static str, value: f64, fits: bool, expected: &str) -> Result<()> {
    match fits {
        true => Ok(()),
        false => Err(Error::argument(argument, format!("is {value}; expected {expected}"))),
    }
}

pub(super) fn check_not_negative(argument: &'static str, value: f64) -> Result<()> {
    let fits = value >= 0.0 && value.is_finite();
    check(argument, value, fits, "a finite number of at least 0")
}

/// A constant that a kernel has as an f32.
pub(super) fn check_finite(argument: &'static str, value: f64) -> Result<()> {
    check(argument, value, (value as f32).is_finite(), "a finite number")
}

/// Less would be 0 in f32, and a division by it where a variance is 0.
pub(super) fn check_epsilon(value: f64) -> Result<()> {
    let fits = value >= f64::from(f32::MIN_POSITIVE) && value.is_finite();
    check("epsilon", value, fits, "a positive, finite number of at least 1.2e-38")
}
