//! What an expression can be computed in.

use super::function::{Binary, Unary};
use crate::number::approximate::Approximate;
use crate::number::{Real, bounds};

/// Numbers that have the functions of expressions: reals, and numbers with error bounds.
pub trait Computed: Copy {
    /// The nearest number to `value`.
    fn constant(value: f64) -> Self;
    /// `function(self)`.
    fn unary(self, function: Unary) -> Self;
    /// `function(self, other)`.
    fn binary(self, function: Binary, other: Self) -> Self;
    /// `self^exponent`, as `e^(exponent · ln self)`; the exponent is not 0.
    fn power(self, exponent: f64) -> Self;
    /// `positive` where `self` is above 0, else `other`; NaN if `self` is.
    fn select(self, positive: Self, other: Self) -> Self;
}

fn is_nan<T: Real>(x: T) -> bool {
    x.partial_cmp(&x).is_none()
}

impl<T: Real> Computed for T {
    fn constant(value: f64) -> Self {
        T::from_f64(value)
    }

    fn unary(self, function: Unary) -> Self {
        match function {
            Unary::Negate => -self,
            Unary::Absolute if self < T::ZERO => -self,
            Unary::Absolute => self,
            Unary::Sign if self > T::ZERO => T::ONE,
            Unary::Sign if self < T::ZERO => -T::ONE,
            // 0 or NaN.
            Unary::Sign => self,
            Unary::Exp => self.exp(),
            Unary::Log => self.ln(),
            Unary::Sqrt => self.sqrt(),
            Unary::Tanh => self.tanh(),
            Unary::Sigmoid => T::ONE / (T::ONE + (-self).exp()),
        }
    }

    fn binary(self, function: Binary, other: Self) -> Self {
        match function {
            Binary::Add => self + other,
            Binary::Subtract => self - other,
            Binary::Multiply => self * other,
            Binary::Divide => self / other,
            // A comparison with NaN is false, so a NaN on the right is the result too.
            Binary::Minimum if is_nan(self) || self < other => self,
            Binary::Maximum if is_nan(self) || self > other => self,
            Binary::Minimum | Binary::Maximum => other,
        }
    }

    fn power(self, exponent: f64) -> Self {
        (self.ln() * T::from_f64(exponent)).exp()
    }

    fn select(self, positive: Self, other: Self) -> Self {
        if is_nan(self) {
            self
        } else if self > T::ZERO {
            positive
        } else {
            other
        }
    }
}

impl Computed for Approximate {
    fn constant(value: f64) -> Self {
        Approximate::constant(value)
    }

    fn unary(self, function: Unary) -> Self {
        let Approximate { value: x, error } = self;
        let value = x.unary(function);
        let error = match function {
            Unary::Negate | Unary::Absolute => error,
            // The sign of a number within its error of 0 may be any.
            Unary::Sign => {
                if error > 0.0 && x.abs() <= error {
                    2.0
                } else {
                    0.0
                }
            }
            Unary::Exp => {
                let rounding = bounds::exp(x.abs() + error) * error.exp();
                value * (error.exp_m1() + rounding) + bounds::smallest()
            }
            // WGSL: 2^-21 between 0.5 and 2, else 3 ULP. The slope is largest at the lower end.
            Unary::Log if x > error => {
                let rounding = (4.0 * bounds::ULP).max(3.0 * bounds::ULP * value.abs());
                error / (x - error) + rounding
            }
            Unary::Log => f64::INFINITY,
            Unary::Sqrt => bounds::root(x, error) + bounds::smallest(),
            Unary::Tanh => bounds::tanh(x, error),
            Unary::Sigmoid => bounds::sigmoid(x, error),
        };
        Approximate { value, error }
    }

    fn binary(self, function: Binary, other: Self) -> Self {
        match function {
            Binary::Add => self + other,
            Binary::Subtract => self - other,
            Binary::Multiply => self * other,
            Binary::Divide => self / other,
            Binary::Minimum | Binary::Maximum => Approximate {
                value: self.value.binary(function, other.value),
                error: self.error.max(other.error),
            },
        }
    }

    fn power(self, exponent: f64) -> Self {
        if self.value == 0.0 && self.error == 0.0 {
            return Approximate { value: self.value.power(exponent), error: 0.0 };
        }
        let exponent = Approximate::constant(exponent);
        self.unary(Unary::Log).binary(Binary::Multiply, exponent).unary(Unary::Exp)
    }

    fn select(self, positive: Self, other: Self) -> Self {
        let value = self.value.select(positive.value, other.value);
        // A condition within its error of 0 may choose the other branch.
        let uncertain = self.error > 0.0 && self.value.abs() <= self.error;
        let jump = if uncertain { (positive.value - other.value).abs() } else { 0.0 };
        Approximate { value, error: jump + positive.error.max(other.error) }
    }
}
