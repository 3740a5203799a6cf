//! The cases of operations on one parameter or its gradient: regularizers and clipping.

use super::case::{Case, Values};
use super::operations::finish;
use crate::error::Result;
use crate::number::bounds;
use crate::operation::{self, Op};
use crate::program::{BufferId, Element, Pass, ProgramBuilder, Role, Rows};

const L1: f64 = 0.375;
const L2: f64 = 0.0625;

pub(super) fn penalty(shape: [usize; 3], mut values: Values) -> Result<Case> {
    let [_, inputs, units] = shape;
    let mut builder = ProgramBuilder::new();
    let arena = builder.arena("parameters")?;
    let weight = builder.slice(arena, "weight", Role::Parameter, Rows::Fixed(inputs), units)?;
    let slots = operation::Penalty::SLOTS;
    let columns = slots + 1;
    let penalty = builder.buffer("penalty", Role::Metric, Element::Real, Rows::One, columns)?;
    builder
        .push(Pass::Predict, Op::Penalty(operation::Penalty { weight, penalty, l1: L1, l2: L2 }))?;
    let w = values.signed(inputs * units);
    let mut before = values.positive(columns);
    // Now and then the last slot, after which the first one comes.
    let slot = if inputs.is_multiple_of(2) { slots } else { units % slots };
    before[slots] = slot as f64;
    let rows = shape[0] as f64;
    let size: f64 = w.iter().map(|w| L1 * w.abs() + L2 * w * w).sum::<f64>() * rows;
    // Each term is itself made of three roundings; all other slots are as they were.
    let terms = inputs * units + 5;
    let added = slot % slots;
    let own = bounds::dot(terms, size + before[added]);
    let bound = move |_: &dyn Fn(BufferId) -> Vec<f64>| {
        (0..columns).map(|i| if i == added { own } else { 0.0 }).collect()
    };
    let fills = vec![(weight, w), (penalty, before)];
    Ok(finish(builder, shape, fills, vec![(penalty, Box::new(bound))]))
}

pub(super) fn penalty_gradient(shape: [usize; 3], mut values: Values) -> Result<Case> {
    let [_, inputs, units] = shape;
    let mut builder = ProgramBuilder::new();
    let arena = builder.arena("parameters")?;
    let weight = builder.slice(arena, "weight", Role::Parameter, Rows::Fixed(inputs), units)?;
    let gradients = builder.arena("gradients")?;
    let role = Role::ParameterGradient;
    let weight_gradient =
        builder.slice(gradients, "weight_gradient", role, Rows::Fixed(inputs), units)?;
    let op =
        Op::PenaltyGradient(operation::PenaltyGradient { weight, weight_gradient, l1: L1, l2: L2 });
    builder.push(Pass::Predict, op)?;
    // A weight of exactly 0 has no sign.
    let mut w = values.signed(inputs * units);
    w.iter_mut().step_by(5).for_each(|w| *w = 0.0);
    let g = values.signed(inputs * units);
    let sizes: Vec<f64> =
        w.iter().zip(&g).map(|(w, g)| g.abs() + L1 + 2.0 * L2 * w.abs()).collect();
    let bound = move |_: &dyn Fn(BufferId) -> Vec<f64>| {
        sizes.iter().map(|&size| bounds::rounded(size)).collect()
    };
    let fills = vec![(weight, w), (weight_gradient, g)];
    Ok(finish(builder, shape, fills, vec![(weight_gradient, Box::new(bound))]))
}

/// The gradient of a weight in an arena of its own, and a single sum.
fn gradient_and_sum(builder: &mut ProgramBuilder, shape: [usize; 3]) -> Result<[BufferId; 2]> {
    let [_, inputs, units] = shape;
    let arena = builder.arena("gradients")?;
    let role = Role::ParameterGradient;
    let gradient = builder.slice(arena, "weight.gradient", role, Rows::Fixed(inputs), units)?;
    let sum = builder.buffer("sum", Role::Scratch, Element::Real, Rows::One, 1)?;
    Ok([gradient, sum])
}

pub(super) fn squared_norm(shape: [usize; 3], first: bool, mut values: Values) -> Result<Case> {
    let mut builder = ProgramBuilder::new();
    let [gradient, sum] = gradient_and_sum(&mut builder, shape)?;
    builder
        .push(Pass::Predict, Op::SquaredNorm(operation::SquaredNorm { gradient, sum, first }))?;
    let g = values.signed(shape[1] * shape[2]);
    let before = values.positive(1);
    let kept = if first { 0.0 } else { before[0] };
    let size = g.iter().map(|g| g * g).sum::<f64>() + kept;
    let terms = g.len() + 2;
    let bound = move |_: &dyn Fn(BufferId) -> Vec<f64>| vec![bounds::dot(terms, size)];
    let fills = vec![(gradient, g), (sum, before)];
    Ok(finish(builder, shape, fills, vec![(sum, Box::new(bound))]))
}

const LIMIT: f64 = 0.625;

pub(super) fn clip_by_norm(shape: [usize; 3], mut values: Values) -> Result<Case> {
    let mut builder = ProgramBuilder::new();
    let [gradient, squared_norm] = gradient_and_sum(&mut builder, shape)?;
    builder.push(
        Pass::Predict,
        Op::ClipByNorm(operation::ClipByNorm { squared_norm, gradient, limit: LIMIT }),
    )?;
    let g = values.signed(shape[1] * shape[2]);
    // On either side of the limit's square, 0.39.
    let squared = if shape[0].is_multiple_of(2) { vec![0.25] } else { vec![1.5] };
    let norm = f64::sqrt(squared[0]);
    let bound = move |result: &dyn Fn(BufferId) -> Vec<f64>| {
        // An unclipped gradient is as it was.
        let error = |g: f64| {
            let clipped = bounds::quotient([LIMIT, 0.0], [norm, bounds::root(norm * norm, 0.0)]);
            if norm > LIMIT { g.abs() * norm / LIMIT * clipped + bounds::rounded(g) } else { 0.0 }
        };
        result(gradient).into_iter().map(error).collect()
    };
    let fills = vec![(gradient, g), (squared_norm, squared)];
    Ok(finish(builder, shape, fills, vec![(gradient, Box::new(bound))]))
}

pub(super) fn clip_by_value(shape: [usize; 3], mut values: Values) -> Result<Case> {
    let mut builder = ProgramBuilder::new();
    let [gradient, _] = gradient_and_sum(&mut builder, shape)?;
    builder
        .push(Pass::Predict, Op::ClipByValue(operation::ClipByValue { gradient, limit: LIMIT }))?;
    let g = values.signed(shape[1] * shape[2]);
    let exact = vec![0.0; g.len()];
    let bound = move |_: &dyn Fn(BufferId) -> Vec<f64>| exact.clone();
    Ok(finish(builder, shape, vec![(gradient, g)], vec![(gradient, Box::new(bound))]))
}
