//! Running error analysis: a bound that grows with each operation of a kernel (Higham, "Accuracy
//! and Stability of Numerical Algorithms", section 3.3), by the accuracy that WGSL promises of it.

use std::ops::{Add, Div, Mul, Sub};

use super::bounds::{self, EPSILON};

/// What a kernel computes in f32, and how far from it the kernel's own number may lie.
#[derive(Debug, Clone, Copy)]
pub struct Approximate {
    /// The exact number.
    pub value: f64,
    /// How far the kernel may be off.
    pub error: f64,
}

impl Approximate {
    /// A number that the kernel has as it is.
    pub fn exact(value: f64) -> Self {
        Approximate { value, error: 0.0 }
    }

    /// A constant, of which the kernel has the nearest f32.
    pub fn constant(value: f64) -> Self {
        Approximate { value, error: EPSILON * value.abs() }
    }

    /// Its size at most.
    pub fn most(self) -> f64 {
        self.value.abs() + self.error
    }

    /// 4.5 ULP.
    pub fn sqrt(self) -> Self {
        Approximate { value: self.value.sqrt(), error: bounds::root(self.value, self.error) }
    }

    /// The sum of many, in any order.
    pub fn sum(terms: &[Approximate]) -> Self {
        let size = terms.iter().map(|term| term.most()).sum();
        Approximate {
            value: terms.iter().map(|term| term.value).sum(),
            error: terms.iter().map(|term| term.error).sum::<f64>()
                + bounds::dot(terms.len(), size),
        }
    }

    /// The mean of many.
    pub fn mean(terms: &[Approximate]) -> Self {
        Self::sum(terms) / Self::exact(terms.len() as f64)
    }

    /// Mean and variance of numbers that are exact. Differences from a mean that is off by `e` are
    /// larger by `e` at most, and the mean of their squares by `e²`.
    pub fn moments(values: &[f64]) -> [Self; 2] {
        let exact: Vec<_> = values.iter().map(|&x| Self::exact(x)).collect();
        let mean = Self::mean(&exact);
        let square = |x: f64| {
            let difference = rounded((x - mean.value).abs() + mean.error);
            difference * difference
        };
        let squares: Vec<_> = values.iter().map(|&x| square(x)).collect();
        let error = Self::mean(&squares).error + mean.error * mean.error;
        let sum: f64 = values.iter().map(|x| (x - mean.value) * (x - mean.value)).sum();
        [mean, Approximate { value: sum / values.len() as f64, error }]
    }
}

/// An exact result, rounded in a direction of the device's choice: 1 ULP.
fn rounded(value: f64) -> Approximate {
    Approximate { value, error: 0.25 * bounds::rounded(value) + f64::from(f32::MIN_POSITIVE) }
}

impl Add for Approximate {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        let result = rounded(self.value + other.value);
        Approximate { error: self.error + other.error + result.error, ..result }
    }
}

impl Sub for Approximate {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self + Approximate { value: -other.value, ..other }
    }
}

impl Mul for Approximate {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        let result = rounded(self.value * other.value);
        let error = self.most() * other.error + other.value.abs() * self.error + result.error;
        Approximate { error, ..result }
    }
}

impl Div for Approximate {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        let [a, b] = [[self.value, self.error], [other.value, other.error]];
        Approximate { value: self.value / other.value, error: bounds::quotient(a, b) }
    }
}
