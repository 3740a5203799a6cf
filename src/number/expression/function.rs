//! The functions that expressions consist of.

/// A function of one number. NaN stays NaN in all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unary {
    /// `-x`.
    Negate,
    /// `|x|`.
    Absolute,
    /// -1, 0 or 1.
    Sign,
    /// `e^x`.
    Exp,
    /// The natural logarithm; NaN below 0.
    Log,
    /// The square root; NaN below 0.
    Sqrt,
    /// Hyperbolic tangent.
    Tanh,
    /// `1 / (1 + e^-x)`.
    Sigmoid,
}

/// A function of two numbers. It is NaN if one of them is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binary {
    /// `a + b`.
    Add,
    /// `a - b`.
    Subtract,
    /// `a · b`.
    Multiply,
    /// `a / b`.
    Divide,
    /// The smaller one.
    Minimum,
    /// The larger one.
    Maximum,
}
