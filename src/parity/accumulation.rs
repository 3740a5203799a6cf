//! The cases of adding up the gradients of several batches.

use super::case::{Bound, Case, Values};
use super::operations::finish;
use crate::error::Result;
use crate::number::bounds;
use crate::operation::{self, Op};
use crate::program::{BufferId, Pass, ProgramBuilder, Role, Rows};

const STEPS: usize = 3;

/// An arena with a weight and a bias in it: both, and the arena itself.
fn arena(builder: &mut ProgramBuilder, name: &str, shape: [usize; 3]) -> Result<[BufferId; 3]> {
    let [_, inputs, units] = shape;
    let arena = builder.arena(name)?;
    let mut slice = |part, rows| {
        let role = Role::ParameterGradient;
        builder.slice(arena, format!("{name}.{part}"), role, rows, units)
    };
    Ok([slice("weight", Rows::Fixed(inputs))?, slice("bias", Rows::One)?, arena])
}

pub(super) fn accumulate(shape: [usize; 3], mut values: Values) -> Result<Case> {
    let [_, inputs, units] = shape;
    let mut builder = ProgramBuilder::new();
    let from = arena(&mut builder, "gradients", shape)?;
    let to = arena(&mut builder, "accumulated", shape)?;
    let op = Op::Accumulate(operation::Accumulate { gradients: from[2], accumulated: to[2] });
    builder.push(Pass::Predict, op)?;
    let (mut fills, mut outputs) = (Vec::new(), Vec::new());
    for (part, count) in [inputs * units, units].into_iter().enumerate() {
        let (g, sum) = (values.signed(count), values.scaled(count, STEPS as f64));
        let sizes: Vec<f64> = g.iter().zip(&sum).map(|(g, sum)| g.abs() + sum.abs()).collect();
        let bound: Bound =
            Box::new(move |_| sizes.iter().map(|&size| bounds::rounded(size)).collect());
        fills.extend([(from[part], g), (to[part], sum)]);
        outputs.push((to[part], bound));
    }
    Ok(finish(builder, shape, fills, outputs))
}

pub(super) fn take_mean(shape: [usize; 3], mut values: Values) -> Result<Case> {
    let [_, inputs, units] = shape;
    let mut builder = ProgramBuilder::new();
    let from = arena(&mut builder, "accumulated", shape)?;
    let to = arena(&mut builder, "gradients", shape)?;
    let op =
        Op::TakeMean(operation::TakeMean { accumulated: from[2], gradients: to[2], steps: STEPS });
    builder.push(Pass::Predict, op)?;
    let (mut fills, mut outputs) = (Vec::new(), Vec::new());
    for (part, count) in [inputs * units, units].into_iter().enumerate() {
        let sum = values.scaled(count, STEPS as f64);
        let sizes = sum.clone();
        let of = |sum: &f64| bounds::quotient([*sum, 0.0], [STEPS as f64, 0.0]);
        let of_mean: Bound = Box::new(move |_| sizes.iter().map(of).collect());
        // Zero is exact.
        let of_sum: Bound = Box::new(move |_| vec![0.0; count]);
        fills.push((from[part], sum));
        outputs.extend([(to[part], of_mean), (from[part], of_sum)]);
    }
    Ok(finish(builder, shape, fills, outputs))
}
