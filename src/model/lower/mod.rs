//! From layers, loss and optimizer to a program.

mod layer;
mod objective;
mod update;

pub(crate) use update::check_optimizer;

use super::sequential::{Compiled, InputType, Layer};
use super::{Dense, Regularizer};
use crate::activation::Activation;
use crate::error::{Error, Result};
use crate::loss::Loss;
use crate::program::{BufferId, Element, Op, Pass, Program, ProgramBuilder, Role, Rows};

/// The program of a compiled model. Parameters are called `dense_1.weight`, `dense_1.bias`, ...,
/// the result `output`.
///
/// # Errors
/// [`Error::Argument`] or [`Error::Shape`] naming what cannot be built: no layer, a dimension of
/// 0, an activation where it cannot stand, an optimizer's constant out of its range.
pub fn lower(compiled: &Compiled) -> Result<Program> {
    let Compiled { architecture, optimizer, loss, .. } = compiled;
    update::check_optimizer(optimizer)?;
    objective::check_loss(loss)?;
    objective::check_metrics(compiled)?;
    let layers = layer::merged(&architecture.layers);
    let last = last_dense(&layers)?;
    let in_training = objective::check_last(last.activation, loss)?;

    let mut builder = ProgramBuilder::new();
    let (bytes, input) = layer::lower_input(&mut builder, &architecture.input)?;
    let (element, columns) = match loss {
        Loss::SparseCategoricalCrossentropy => (Element::U32, 1),
        _ => (Element::Real, last.units),
    };
    let targets = builder.buffer("targets", Role::Target, element, Rows::Batch, columns)?;
    let sample_weights =
        builder.buffer("sample_weights", Role::SampleWeight, Element::Real, Rows::Batch, 1)?;
    let (parameters, gradients) = (builder.arena("parameters")?, builder.arena("gradients")?);
    let frozen = builder.arena("frozen_parameters")?;
    let state = update::state_of(optimizer)
        .iter()
        .map(|&name| Ok((name, builder.arena(name)?)))
        .collect::<Result<Vec<_>>>()?;
    let arenas = layer::Arenas { parameters, frozen, gradients, state: &state };
    let nodes = layer::lower_layers(&mut builder, &layers, input, in_training, &arenas)?;
    let Some(&layer::Node::Dense(layer::DenseNode { output: outputs, .. })) = nodes.last() else {
        return Err(no_dense_at_the_end());
    };

    let predicted = builder.activation("output", last.units)?;
    for pass in [Pass::Train, Pass::Evaluate, Pass::Predict] {
        if let (Some(bytes), InputType::U8 { scale }) = (bytes, architecture.input.values) {
            builder.push(pass, Op::Convert { input: bytes, output: input.buffer, scale })?;
        }
        layer::push_forward(&mut builder, pass, &nodes, predicted)?;
    }
    if last.activation == Activation::Softmax {
        let op = Op::Softmax { input: outputs.buffer, output: predicted };
        builder.push(Pass::Predict, op)?;
    }

    let of_loss = builder.buffer(Program::LOSS, Role::Metric, Element::Real, Rows::Batch, 1)?;
    let counts = builder.buffer(Program::COUNTS, Role::Metric, Element::U32, Rows::Batch, 2)?;
    if let Some(gradient) = outputs.gradient {
        let buffers = [targets, sample_weights, of_loss, counts];
        let op = objective::lower_loss(loss, &outputs, gradient, buffers);
        builder.push(Pass::Evaluate, op)?;
        builder.push(Pass::Train, op)?;
    }
    let penalized = objective::penalties(&nodes)?;
    if !penalized.is_empty() {
        let penalty =
            builder.buffer(Program::PENALTY, Role::Metric, Element::Real, Rows::One, 1)?;
        for &(weight, _, Regularizer { l1, l2 }) in &penalized {
            for pass in [Pass::Evaluate, Pass::Train] {
                builder.push(pass, Op::Penalty { weight, penalty, l1, l2 })?;
            }
        }
    }

    layer::push_backward(&mut builder, &nodes)?;
    for (weight, weight_gradient, Regularizer { l1, l2 }) in penalized {
        if let Some(weight_gradient) = weight_gradient {
            let op = Op::PenaltyGradient { weight, weight_gradient, l1, l2 };
            builder.push(Pass::Train, op)?;
        }
    }
    let of_parameters = layer::gradients(&nodes);
    update::push_clip(&mut builder, optimizer.clip(), &of_parameters)?;
    let state: Vec<BufferId> = state.iter().map(|(_, arena)| *arena).collect();
    let op = update::lower_update(optimizer, gradients, parameters, &state)?;
    builder.push(Pass::Train, op)?;
    Ok(builder.build())
}

fn last_dense(layers: &[Layer]) -> Result<Dense> {
    match layers.last() {
        Some(Layer::Dense(dense)) => Ok(*dense),
        Some(_) => Err(no_dense_at_the_end()),
        None => Err(Error::argument("layers", "there is none; add at least one dense layer")),
    }
}

fn no_dense_at_the_end() -> Error {
    Error::argument("layers", "the last one must be dense (an activation may follow it)")
}
