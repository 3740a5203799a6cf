//! What an activation function says of itself.

use crate::number::Real;

/// What the derivative of an activation is told from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// From the result, so that the activation can be part of the operation before it and needs no
    /// memory of its own.
    ByResult,
    /// From the input, which must be kept.
    ByInput,
}

/// One activation function; its text is the file of its name in `shaders/activation/`. `constant` is
/// its parameter, such as leaky ReLU's slope; 0 if it has none.
pub trait Function {
    /// What [`derivative`](Self::derivative) takes.
    const TOLD: Told;

    /// Some values from tables or worked out by hand: `(constant, x, f(x))`.
    const VALUES: &[(f64, f64, f64)];

    /// Mistakes in the text of `activate` that the parity suite must notice: `(what, from, to)`.
    const MUTATIONS: &[(&str, &str, &str)];

    /// The same in the text of `activation_derivative`.
    const DERIVATIVE_MUTATIONS: &[(&str, &str, &str)];

    /// `f(x)`. NaN stays NaN: a network that has diverged must show it.
    fn value<T: Real>(x: T, constant: T) -> T;

    /// `f'`, from the result or from the input as [`TOLD`](Self::TOLD) says.
    fn derivative<T: Real>(told: T, constant: T) -> T;

    /// How far the kernel's `f(x)` may lie from the exact one, if `x` itself is off by `error` at
    /// most.
    fn bound(x: f64, error: f64, constant: f64) -> f64;

    /// How far the kernel's `f'` may lie from the exact one.
    fn derivative_bound(told: f64, constant: f64) -> f64;
}
