//! What users' own layers, losses and metrics add to a graph: expressions of values, and sums and means
//! over the values of a sample.

use super::graph::{Graph, Value};
use crate::error::{Error, Result};
use crate::number::expression::{Expression, Formula};
use crate::operation::{Map, RowSum};
use crate::table::{Reals, Role};

impl Graph {
    /// The most values that [`map`](Self::map) takes. Its gradient takes one more.
    pub const MOST_MAPPED: usize = Map::MOST_OPERANDS - 1;

    /// `expression` of each element of values of one shape, `[shape]`. A value of one element a
    /// sample, `[1]`, counts for all elements of its sample.
    ///
    /// ```ignore
    /// let gated = graph.map([&x, &gate], |[x, gate]| x * gate.sigmoid())?;
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] if the shapes differ, [`Error::Argument`] for no value or more than
    /// [`MOST_MAPPED`](Self::MOST_MAPPED), a constant beyond f32, or an expression that is nested too
    /// deeply.
    pub fn map<const N: usize>(
        &mut self,
        values: [&Value; N],
        expression: impl FnOnce([Expression; N]) -> Expression,
    ) -> Result<Value> {
        let widest = values.iter().max_by_key(|value| value.columns());
        let Some(widest) = widest.filter(|_| N <= Self::MOST_MAPPED) else {
            let problem = format!("takes 1 to {} values, not {N}", Self::MOST_MAPPED);
            return Err(Error::argument("map", problem));
        };
        if let Some(other) =
            values.iter().find(|value| value.columns() > 1 && value.shape() != widest.shape())
        {
            return Err(Error::Shape {
                what: "a value of an expression".into(),
                actual: format!("{:?}", other.shape()),
                expected: format!("{:?}, or one element a sample", widest.shape()),
            });
        }
        self.mapped(&values, &expression(Expression::operands()), widest.shape())
    }

    /// The sum of a sample's elements, `[1]`.
    ///
    /// # Errors
    /// [`Error::Shape`] for bytes, which must be converted first.
    pub fn sum(&mut self, value: &Value) -> Result<Value> {
        let output = self.result(&[1])?;
        self.push(RowSum { input: value.buffer(), output: output.buffer() })?;
        Ok(output)
    }

    /// The mean of a sample's elements, `[1]`.
    ///
    /// # Errors
    /// As [`sum`](Self::sum).
    pub fn mean(&mut self, value: &Value) -> Result<Value> {
        let share = 1.0 / value.columns() as f64;
        let sum = self.sum(value)?;
        self.map([&sum], |[sum]| sum * share)
    }

    /// One element a sample, `[1]`, repeated for each element of `shape`.
    ///
    /// # Errors
    /// [`Error::Shape`] if `value` has more than one element a sample.
    pub fn broadcast(&mut self, value: &Value, shape: &[usize]) -> Result<Value> {
        self.mapped(&[value], &Expression::operand(0), shape)
    }

    /// `value` stored as full reals: itself, or a copy if it is stored as f16.
    ///
    /// # Errors
    /// As [`sum`](Self::sum).
    pub(crate) fn full(&mut self, value: &Value) -> Result<Value> {
        match self.stored(value) {
            Reals::Full => Ok(value.clone()),
            Reals::Half => {
                let before = self.store_activations(Reals::Full);
                let copy = self.mapped(&[value], &Expression::operand(0), value.shape());
                self.store_activations(before);
                copy
            }
        }
    }

    /// The number of values in its parameters that are trained, and of those that are not.
    pub(crate) fn parameter_counts(&self) -> [usize; 2] {
        let mut counts = [0, 0];
        for (id, buffer) in self.table.buffers() {
            let place = match buffer.role {
                Role::Parameter if self.trained.contains(&id) => 0,
                Role::Parameter | Role::State => 1,
                _ => continue,
            };
            counts[place] += buffer.live_rows(0) * buffer.columns;
        }
        counts
    }

    fn mapped(
        &mut self,
        values: &[&Value],
        expression: &Expression,
        shape: &[usize],
    ) -> Result<Value> {
        let operands: Vec<_> = values.iter().map(|value| value.buffer()).collect();
        let expression = self.table.add_expression(Formula::new(expression)?);
        let output = self.result(shape)?;
        self.push(Map::new(&operands, output.buffer(), expression)?)?;
        Ok(output)
    }
}
