//! From layers, loss and optimizer to a program.

mod layer;
mod objective;
mod update;

pub(crate) use update::check_optimizer;

use super::Regularizer;
use super::sequential::{Compiled, InputType, Layer};
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
    let last = last_activation(&layers)?;
    let in_training = objective::check_last(last, loss)?;

    let mut builder = ProgramBuilder::new();
    let (bytes, input) = layer::lower_input(&mut builder, &architecture.input)?;
    let (element, columns) = match loss {
        Loss::SparseCategoricalCrossentropy => (Element::U32, 1),
        _ => (Element::Real, architecture.outputs()),
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
    let Some(outputs) = nodes.last().map(layer::Node::output) else { return Err(no_layer()) };

    let predicted = builder.activation("output", outputs.width)?;
    for pass in [Pass::Train, Pass::Evaluate, Pass::Predict] {
        if let (Some(bytes), InputType::U8 { scale }) = (bytes, architecture.input.values) {
            builder.push(pass, Op::Convert { input: bytes, output: input.buffer, scale })?;
        }
        layer::push_forward(&mut builder, pass, &nodes, (predicted, last.elementwise()))?;
    }
    if last == Activation::Softmax {
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
        let slots = Program::PENALTY_SLOTS + 1;
        let penalty =
            builder.buffer(Program::PENALTY, Role::Metric, Element::Real, Rows::One, slots)?;
        for &(weight, _, Regularizer { l1, l2 }) in &penalized {
            for pass in [Pass::Evaluate, Pass::Train] {
                builder.push(pass, Op::Penalty { weight, penalty, l1, l2 })?;
            }
        }
    }

    layer::push_backward(&mut builder, &nodes)?;
    for (weight, weight_gradient, Regularizer { l1, l2 }) in penalized {
        builder.push(Pass::Train, Op::PenaltyGradient { weight, weight_gradient, l1, l2 })?;
    }
    let of_parameters = layer::gradients(&nodes);
    update::push_clip(&mut builder, optimizer.clip(), &of_parameters)?;
    let state: Vec<BufferId> = state.iter().map(|(_, arena)| *arena).collect();
    let op = update::lower_update(optimizer, gradients, parameters, &state)?;
    builder.push(Pass::Train, op)?;
    Ok(builder.build())
}

fn last_activation(layers: &[Layer]) -> Result<Activation> {
    match layers {
        [] => Err(no_layer()),
        [.., Layer::Dense(dense)] => Ok(dense.activation),
        [.., Layer::Activation { activation }] if layers.len() > 1 => Ok(*activation),
        _ => {
            let problem = "the last one must be dense, or an activation that follows others";
            Err(Error::argument("layers", problem))
        }
    }
}

fn no_layer() -> Error {
    Error::argument("layers", "there is none; add at least one dense layer")
}
