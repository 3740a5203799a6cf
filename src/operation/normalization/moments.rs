//! What values are normalized by, and what normalized values are multiplied by.

use std::cell::Ref;

use crate::number::Real;
use crate::operation::run::Run;
use crate::table::BufferId;

/// Mean and variance of each column, `[U]` each.
#[derive(Debug)]
pub(super) struct ColumnMoments<'a, T> {
    mean: Ref<'a, [T]>,
    variance: Ref<'a, [T]>,
    epsilon: T,
}

impl<'a, T: Real> ColumnMoments<'a, T> {
    /// `epsilon` is added to the variance before its root is taken.
    pub(super) fn new(
        on: &'a Run<'_, T>,
        mean: BufferId,
        variance: BufferId,
        epsilon: f64,
    ) -> Self {
        ColumnMoments {
            mean: on.real(mean),
            variance: on.real(variance),
            epsilon: T::from_f64(epsilon),
        }
    }

    /// The standard deviation of column `i`.
    pub(super) fn deviation(&self, i: usize) -> T {
        (self.variance[i] + self.epsilon).sqrt()
    }

    /// `x` of column `i`, normalized.
    pub(super) fn normalized(&self, x: T, i: usize) -> T {
        (x - self.mean[i]) / self.deviation(i)
    }
}

/// Mean and reciprocal standard deviation of each row: `[B,2]`.
#[derive(Debug)]
pub(super) struct RowMoments<'a, T> {
    moments: Ref<'a, [T]>,
    stride: usize,
}

impl<'a, T: Real> RowMoments<'a, T> {
    /// Those that lie in `moments`.
    pub(super) fn new(on: &'a Run<'_, T>, moments: BufferId) -> Self {
        RowMoments { moments: on.real(moments), stride: on.shape(moments).stride }
    }

    /// Mean and reciprocal standard deviation of one row.
    pub(super) fn of_row(&self, row: usize) -> [T; 2] {
        let first = row * self.stride;
        [self.moments[first], self.moments[first + 1]]
    }
}

/// The factor of each unit: `gamma[U] + offset`.
#[derive(Debug)]
pub(super) struct Gamma<'a, T> {
    gamma: Ref<'a, [T]>,
    offset: T,
}

impl<'a, T: Real> Gamma<'a, T> {
    /// `offset` is 1 where a layer has no gamma and zeros stand in its place, else 0.
    pub(super) fn new(on: &'a Run<'_, T>, gamma: BufferId, offset: f64) -> Self {
        Gamma { gamma: on.real(gamma), offset: T::from_f64(offset) }
    }

    /// The factor of unit `i`.
    pub(super) fn factor(&self, i: usize) -> T {
        self.gamma[i] + self.offset
    }
}

/// The sum of the terms, in their order.
pub(super) fn sum<T: Real>(terms: impl Iterator<Item = T>) -> T {
    terms.fold(T::ZERO, |sum, term| sum + term)
}
