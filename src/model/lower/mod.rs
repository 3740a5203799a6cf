//! From layers, losses and an optimizer to a program.

mod backward;
mod constants;
mod forward;
mod graph;
mod layer;
mod metric;
mod node;
mod objective;
mod update;

use crate::operation::{self, Op};
use std::collections::HashMap;

pub(crate) use update::check_optimizer;

use super::compiled::Compiled;
use super::report::{OutputReport, Report};
use super::{Objective, Regularizer};
use crate::error::{Error, Result};
use crate::loss::Loss;
use crate::operation::activation::{Activation, Elementwise};
use crate::program::{BufferId, Element, Pass, Program, ProgramBuilder, Role, Rows};
use backward::Derivatives;
use graph::Graph;
use layer::{Arenas, Initial, Nodes};
use metric::{Predictions, Source, Watched};
use node::{Made, Node, Value};
use objective::Judged;

/// A compiled model as a program.
pub(crate) struct Lowered {
    pub program: Program,
    /// What does not begin with zeros.
    pub initial: Vec<(BufferId, Initial)>,
    /// What the metric buffers mean.
    pub report: Report,
}

/// The program of a compiled model. Parameters are called `dense_1.weight`, `dense_1.bias`, ...,
/// what a layer makes `dense_1.output`.
///
/// # Errors
/// [`Error::Argument`] or [`Error::Shape`] naming what cannot be built: no layer, a dimension of
/// 0, an activation where it cannot stand, an optimizer's constant out of its range.
pub fn lower(compiled: &Compiled) -> Result<Program> {
    lowered(compiled).map(|lowered| lowered.program)
}

/// The same with what it takes to begin and to report.
///
/// # Errors
/// As [`lower`].
pub(crate) fn lowered(compiled: &Compiled) -> Result<Lowered> {
    let Compiled { architecture, optimizer, .. } = compiled;
    check_optimizer(optimizer)?;
    check_counts(compiled)?;
    let graph = Graph::new(architecture)?;
    let objectives = objectives(compiled, &graph)?;

    let mut builder = ProgramBuilder::new();
    let arenas = arenas(&mut builder, compiled)?;
    let mut nodes = Nodes::new(&mut builder, &arenas);
    let mut made: HashMap<usize, Made> = HashMap::new();
    for step in &graph.steps {
        let judged = objectives.iter().filter(|(_, place, _)| *place == step.place);
        let logits = judged.into_iter().any(|(.., of)| objective::wants_logits(&of.loss));
        let value = nodes.step(step, |place| made.get(&place).copied(), logits)?;
        made.insert(step.place, value);
    }
    let of = |place: usize| {
        made.get(&place).copied().ok_or_else(|| {
            Error::argument("outputs", "one is of another model; take values of this one")
        })
    };
    let mut judged = Vec::with_capacity(objectives.len());
    for &(name, place, objective) in &objectives {
        let (made, activation) = (of(place)?, graph.activation_of(place));
        objective::check(name, objective, activation, graph.passed_on(place))?;
        let (element, columns) = match objective.loss {
            Loss::SparseCategoricalCrossentropy => (Element::U32, 1),
            _ => (Element::Real, made.value.width),
        };
        let targets = format!("targets.{name}");
        let targets = nodes.builder.buffer(targets, Role::Target, element, Rows::Batch, columns)?;
        judged.push(Judged { name, objective, made, activation, targets });
    }
    let mut predictions = Vec::with_capacity(judged.len());
    for of in &judged {
        let watched = metric::watched(of);
        watched.iter().try_for_each(|&(_, metric, _)| metric::check(of, metric))?;
        let looks =
            |at| watched.iter().any(|&(_, m, weighted)| metric::source(of, m, weighted) == at);
        let value = of.made.value;
        let mut wanted = vec![of.judged().buffer];
        let mut probabilities = value.buffer;
        if looks(Source::Probabilities) && metric::gives_logits(of) {
            let name = format!("{}.probabilities", of.name);
            probabilities = nodes.activation(&name, value, Activation::Sigmoid)?.buffer;
        }
        wanted.extend(looks(Source::Predictions).then_some(value.buffer));
        wanted.extend(looks(Source::Probabilities).then_some(probabilities));
        predictions.push((watched, probabilities, wanted));
    }
    let Nodes { nodes, initial, activities, .. } = nodes;
    activities.iter().try_for_each(|(_, regularizer)| objective::check_regularizer(regularizer))?;

    // Prediction.
    let outputs: Vec<BufferId> = graph
        .outputs
        .iter()
        .map(|&(_, place)| of(place).map(|made| made.value.buffer))
        .collect::<Result<_>>()?;
    forward::push_forward(&mut builder, Pass::Predict, &nodes, &outputs)?;
    for ((name, _), id) in graph.outputs.iter().zip(outputs) {
        builder.output(name, id);
    }

    // Forward, loss and metrics, in training and in evaluation.
    let mut wanted: Vec<BufferId> =
        predictions.iter().flat_map(|(.., wanted)| wanted).copied().collect();
    wanted.extend(activities.iter().map(|(value, _)| value.buffer));
    forward::push_forward(&mut builder, Pass::Evaluate, &nodes, &wanted)?;
    // Moving averages follow the batches where no loss looks too, as in Keras.
    let averaged = |node: &&Node| matches!(node, Node::Normalize { batch: Some(_), .. });
    wanted.extend(nodes.iter().filter(averaged).map(|node| node.output().buffer));
    forward::push_forward(&mut builder, Pass::Train, &nodes, &wanted)?;
    let mut derivatives = Derivatives::default();
    let mut report = Report::default();
    for (of, (watched, probabilities, _)) in judged.iter().zip(predictions) {
        let output = push_output(&mut builder, &mut derivatives, of, (watched, probabilities))?;
        report.outputs.push(output);
    }
    report.penalties.extend(push_activities(&mut builder, &mut derivatives, &activities)?);
    let penalized = objective::penalties(&nodes)?;
    report.penalties.extend(push_penalties(&mut builder, &penalized)?);

    backward::push_backward(&mut builder, &nodes, derivatives)?;
    for (weight, weight_gradient, Regularizer { l1, l2 }) in penalized {
        builder.push(
            Pass::Train,
            Op::PenaltyGradient(operation::PenaltyGradient { weight, weight_gradient, l1, l2 }),
        )?;
    }
    let gradients: Vec<BufferId> = nodes.iter().flat_map(Node::gradients).collect();
    update::push_update(&mut builder, compiled, &arenas, &gradients)?;
    Ok(Lowered { program: builder.build(), initial, report })
}

const TRAIN_AND_EVALUATE: [Pass; 2] = [Pass::Train, Pass::Evaluate];

/// Pushes `op` in training and in evaluation.
fn push_both(builder: &mut ProgramBuilder, op: Op) -> Result<()> {
    TRAIN_AND_EVALUATE.iter().try_for_each(|&pass| builder.push(pass, op))
}

/// Pushes loss and metrics of one output.
fn push_output(
    builder: &mut ProgramBuilder,
    derivatives: &mut Derivatives,
    of: &Judged<'_>,
    (watched, probabilities): (Vec<Watched>, BufferId),
) -> Result<OutputReport> {
    let output = of.name;
    let mut buffer = |name: String, role, element, columns| {
        builder.buffer(name, role, element, Rows::Batch, columns)
    };
    let name = format!("sample_weights.{output}");
    let sample_weights = buffer(name, Role::SampleWeight, Element::Real, 1)?;
    let loss = buffer(format!("metrics.{output}.loss"), Role::Metric, Element::Real, 1)?;
    let counts = buffer(format!("metrics.{output}.counts"), Role::Metric, Element::U32, 2)?;
    push_loss(builder, derivatives, of, [sample_weights, loss, counts])?;
    let predictions = of.made.value.buffer;
    let predictions = Predictions { predictions, probabilities, sample_weights, counts };
    let mut metrics = Vec::with_capacity(watched.len());
    for watched in watched {
        let (reported, ops) = metric::lower(builder, of, predictions, watched)?;
        ops.into_iter().try_for_each(|op| push_both(builder, op))?;
        metrics.push(reported);
    }
    let (name, loss_weight) = (of.name.to_owned(), of.objective.loss_weight);
    Ok(OutputReport { name, loss_weight, loss, counts, metrics })
}

/// Pushes the loss of one output. Where it does not know the activation that made its values, the
/// way back through it follows in training.
fn push_loss(
    builder: &mut ProgramBuilder,
    derivatives: &mut Derivatives,
    of: &Judged<'_>,
    buffers: [BufferId; 3],
) -> Result<()> {
    let value = of.judged();
    if !objective::wants_logits(&of.objective.loss) || value.made_by == Elementwise::Linear {
        let gradient = derivatives.add(builder, value)?;
        return push_both(builder, of.lower_loss(gradient, buffers));
    }
    derivatives.add_after_activation(builder, value, |builder, gradient| {
        push_both(builder, of.lower_loss(gradient, buffers))
    })
}

/// Pushes what values cost, and the derivatives of that by them; returns where it adds up.
fn push_activities(
    builder: &mut ProgramBuilder,
    derivatives: &mut Derivatives,
    activities: &[(Value, Regularizer)],
) -> Result<Option<BufferId>> {
    if activities.is_empty() {
        return Ok(None);
    }
    let name = "metrics.activities";
    let loss = builder.buffer(name, Role::Metric, Element::Real, Rows::Batch, 1)?;
    for &(value, Regularizer { l1, l2 }) in activities {
        push_both(
            builder,
            Op::ActivityPenalty(operation::ActivityPenalty { value: value.buffer, loss, l1, l2 }),
        )?;
        if value.trained {
            let input_gradient = derivatives.add(builder, value)?;
            let (activation, value) = (value.made_by, value.buffer);
            let op = Op::ActivityPenaltyGradient(operation::ActivityPenaltyGradient {
                value,
                input_gradient,
                activation,
                l1,
                l2,
            });
            builder.push(Pass::Train, op)?;
        }
    }
    Ok(Some(loss))
}

/// Pushes what parameters cost; returns where it adds up.
fn push_penalties(
    builder: &mut ProgramBuilder,
    penalized: &[(BufferId, BufferId, Regularizer)],
) -> Result<Option<BufferId>> {
    if penalized.is_empty() {
        return Ok(None);
    }
    let (name, slots) = ("metrics.penalty", operation::Penalty::SLOTS + 1);
    let penalty = builder.buffer(name, Role::Metric, Element::Real, Rows::One, slots)?;
    for &(weight, _, Regularizer { l1, l2 }) in penalized {
        push_both(builder, Op::Penalty(operation::Penalty { weight, penalty, l1, l2 }))?;
    }
    Ok(Some(penalty))
}

/// The outputs that are judged, in their order: name, place in the graph, objective.
fn objectives<'a>(
    compiled: &'a Compiled,
    graph: &'a Graph,
) -> Result<Vec<(&'a str, usize, &'a Objective)>> {
    let Compiled { objectives, .. } = compiled;
    for (i, (name, _)) in objectives.iter().enumerate() {
        let known: Vec<&str> = graph.outputs.iter().map(|(name, _)| name.as_str()).collect();
        if !known.contains(&name.as_str()) {
            let problem = format!("is of {name:?}; the model's outputs are {}", known.join(", "));
            return Err(Error::argument("loss", problem));
        }
        if objectives.iter().skip(i + 1).any(|(other, _)| other == name) {
            return Err(Error::argument("loss", format!("is given twice for {name:?}")));
        }
    }
    let judged = graph.outputs.iter().filter_map(|(name, place)| {
        let objective = objectives.iter().find(|(other, _)| other == name);
        objective.map(|(_, objective)| (name.as_str(), *place, objective))
    });
    let judged: Vec<_> = judged.collect();
    match judged.is_empty() {
        true => Err(Error::argument("loss", "no output has one; give at least one")),
        false => Ok(judged),
    }
}

fn check_counts(compiled: &Compiled) -> Result<()> {
    for (argument, steps) in [
        ("gradient_accumulation_steps", compiled.gradient_accumulation_steps),
        ("steps_per_execution", compiled.steps_per_execution),
    ] {
        if steps == 0 {
            return Err(Error::argument(argument, "is 0; give at least 1"));
        }
    }
    Ok(())
}

fn arenas(builder: &mut ProgramBuilder, compiled: &Compiled) -> Result<Arenas> {
    // Names with a dot, which an input cannot have.
    let mut arena = |name: &str| builder.arena(format!("all.{name}"));
    let (parameters, gradients) = (arena("parameters")?, arena("gradients")?);
    let frozen = arena("frozen_parameters")?;
    let state = update::state_of(compiled)
        .into_iter()
        .map(|name| Ok((name, arena(name)?)))
        .collect::<Result<Vec<_>>>()?;
    Ok(Arenas { parameters, frozen, gradients, state })
}
