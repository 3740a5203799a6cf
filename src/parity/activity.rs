//! The cases of what an activity's regularizer costs, and of its slope.

use super::case::{Case, Values};
use super::elements::results_of;
use super::operations::finish;
use crate::error::Result;
use crate::number::approximate::Approximate;
use crate::operation::activation::Elementwise;
use crate::operation::{self, Op};
use crate::program::{BufferId, Element, Pass, ProgramBuilder, Role, Rows};

const L1: f64 = 0.375;
const L2: f64 = 0.0625;

pub(super) fn activity_penalty(shape: [usize; 3], mut values: Values) -> Result<Case> {
    let [rows, _, units] = shape;
    let mut builder = ProgramBuilder::new();
    let value = builder.activation("value", units)?;
    let loss = builder.buffer("loss", Role::Metric, Element::Real, Rows::Batch, 1)?;
    builder.push(
        Pass::Predict,
        Op::ActivityPenalty(operation::ActivityPenalty { value, loss, l1: L1, l2: L2 }),
    )?;
    let (x, before) = (values.signed(rows * units), values.positive(rows));
    let [l1, l2] = [L1, L2].map(Approximate::constant);
    let cost = |&x: &f64| {
        let size = Approximate::exact(x.abs());
        l1 * size + l2 * size * size
    };
    let of_row = |(row, &before): (&[f64], &f64)| {
        let costs: Vec<_> = row.iter().map(cost).collect();
        (Approximate::exact(before) + Approximate::sum(&costs)).error
    };
    let errors: Vec<f64> = x.chunks(units).zip(&before).map(of_row).collect();
    let bound = move |_: &dyn Fn(BufferId) -> Vec<f64>| errors.clone();
    let fills = vec![(value, x), (loss, before)];
    Ok(finish(builder, shape, fills, vec![(loss, Box::new(bound))]))
}

pub(super) fn activity_penalty_gradient(
    shape: [usize; 3],
    activation: Elementwise,
    mut values: Values,
) -> Result<Case> {
    let [rows, _, units] = shape;
    let mut builder = ProgramBuilder::new();
    let value = builder.activation("value", units)?;
    let input_gradient = builder.activation("input_gradient", units)?;
    builder.push(
        Pass::Predict,
        Op::ActivityPenaltyGradient(operation::ActivityPenaltyGradient {
            value,
            input_gradient,
            activation,
            l1: L1,
            l2: L2,
        }),
    )?;
    let mut y = results_of(activation, rows * units, &mut values);
    // A value of exactly 0 has no sign.
    if activation == Elementwise::Linear {
        y.iter_mut().step_by(5).for_each(|y| *y = 0.0);
    }
    let of = |&y: &f64| {
        let [l1, l2] = [L1 * y.signum(), 2.0 * L2].map(Approximate::constant);
        let l1 = if y == 0.0 { Approximate::exact(0.0) } else { l1 };
        let slope =
            Approximate { value: activation.derivative(y), error: activation.derivative_bound(y) };
        let inverse_rows = Approximate::constant(1.0 / rows as f64);
        ((l1 + l2 * Approximate::exact(y)) * inverse_rows * slope).error
    };
    let errors: Vec<f64> = y.iter().map(of).collect();
    let bound = move |_: &dyn Fn(BufferId) -> Vec<f64>| errors.clone();
    Ok(finish(builder, shape, vec![(value, y)], vec![(input_gradient, Box::new(bound))]))
}
