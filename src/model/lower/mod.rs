//! From layers, losses and an optimizer to a program.

mod backward;
mod forward;
mod graph;
mod metric;
mod node;
mod objective;
mod update;

use std::collections::HashMap;

pub(crate) use node::Initial;
pub(crate) use update::check_optimizer;

use super::compiled::Compiled;
use super::report::{OutputReport, Report};
use super::{Objective, Regularizer};
use crate::activation::Elementwise;
use crate::error::{Error, Result};
use crate::loss::Loss;
use crate::program::{BufferId, Element, Op, Pass, Program, ProgramBuilder, Role, Rows};
use backward::Derivatives;
use graph::Graph;
use metric::{Looks, Predictions};
use node::{Arenas, Made, Nodes};
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
    update::check_optimizer(optimizer)?;
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
        objective::check(objective, activation)?;
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
            |at| watched.iter().any(|&(_, m, weighted)| metric::looks(of, m, weighted) == at);
        let value = of.made.value;
        let mut wanted = vec![of.judged().buffer];
        let mut probabilities = value.buffer;
        if looks(Looks::AtProbabilities) && metric::gives_logits(of) {
            let name = format!("{}.probabilities", of.name);
            probabilities = nodes.activation(&name, value, metric::PROBABILITIES)?.buffer;
        }
        wanted.extend(looks(Looks::AtPredictions).then_some(value.buffer));
        wanted.extend(looks(Looks::AtProbabilities).then_some(probabilities));
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
    let both = [Pass::Train, Pass::Evaluate];
    for pass in both {
        forward::push_forward(&mut builder, pass, &nodes, &wanted)?;
    }
    let mut derivatives = Derivatives::default();
    let mut report = Report::default();
    let watched =
        predictions.into_iter().map(|(watched, probabilities, _)| (watched, probabilities));
    for (of, (watched, probabilities)) in judged.iter().zip(watched) {
        let name = format!("sample_weights.{}", of.name);
        let sample_weights =
            builder.buffer(name, Role::SampleWeight, Element::Real, Rows::Batch, 1)?;
        let mut metric = |suffix: &str, element, columns| {
            let name = format!("metrics.{}.{suffix}", of.name);
            builder.buffer(name, Role::Metric, element, Rows::Batch, columns)
        };
        let loss = metric("loss", Element::Real, 1)?;
        let counts = metric("counts", Element::U32, 2)?;
        push_loss(&mut builder, &mut derivatives, of, [sample_weights, loss, counts])?;
        let predictions = Predictions {
            predictions: of.made.value.buffer,
            probabilities,
            sample_weights,
            counts,
        };
        let mut metrics = Vec::with_capacity(watched.len());
        for watched in watched {
            let (reported, ops) = metric::lower(&mut builder, of, predictions, watched)?;
            for op in ops {
                both.iter().try_for_each(|&pass| builder.push(pass, op))?;
            }
            metrics.push(reported);
        }
        let (name, loss_weight) = (of.name.to_owned(), of.objective.loss_weight);
        report.outputs.push(OutputReport { name, loss_weight, loss, counts, metrics });
    }

    // What regularizers cost, and their derivatives by values.
    if !activities.is_empty() {
        let name = "metrics.activities";
        let loss = builder.buffer(name, Role::Metric, Element::Real, Rows::Batch, 1)?;
        report.penalties.push(loss);
        for &(value, Regularizer { l1, l2 }) in &activities {
            let op = Op::ActivityPenalty { value: value.buffer, loss, l1, l2 };
            both.iter().try_for_each(|&pass| builder.push(pass, op))?;
            if value.trained {
                let input_gradient = derivatives.add(&mut builder, value)?;
                let (activation, value) = (value.made_by, value.buffer);
                let op = Op::ActivityPenaltyGradient { value, input_gradient, activation, l1, l2 };
                builder.push(Pass::Train, op)?;
            }
        }
    }
    let penalized = objective::penalties(&nodes)?;
    if !penalized.is_empty() {
        let slots = Program::PENALTY_SLOTS + 1;
        let name = "metrics.penalty";
        let penalty = builder.buffer(name, Role::Metric, Element::Real, Rows::One, slots)?;
        report.penalties.push(penalty);
        for (&(weight, _, Regularizer { l1, l2 }), pass) in
            penalized.iter().flat_map(|of| both.map(|pass| (of, pass)))
        {
            builder.push(pass, Op::Penalty { weight, penalty, l1, l2 })?;
        }
    }

    backward::push_backward(&mut builder, &nodes, derivatives)?;
    for (weight, weight_gradient, Regularizer { l1, l2 }) in penalized {
        builder.push(Pass::Train, Op::PenaltyGradient { weight, weight_gradient, l1, l2 })?;
    }
    let gradients: Vec<BufferId> = nodes.iter().flat_map(node::Node::gradients).collect();
    update::push_update(&mut builder, compiled, &arenas, &gradients)?;
    Ok(Lowered { program: builder.build(), initial, report })
}

/// Pushes the loss of one output in training and in evaluation. Where the loss does not know the
/// activation that made its values, the way back through it follows in training.
fn push_loss(
    builder: &mut ProgramBuilder,
    derivatives: &mut Derivatives,
    of: &Judged<'_>,
    buffers: [BufferId; 3],
) -> Result<()> {
    let value = of.judged();
    let both = |builder: &mut ProgramBuilder, op: Op| {
        builder.push(Pass::Train, op)?;
        builder.push(Pass::Evaluate, op)
    };
    if !objective::wants_logits(&of.objective.loss) || value.made_by == Elementwise::Linear {
        let gradient = derivatives.add(builder, value)?;
        return both(builder, of.lower_loss(gradient, buffers));
    }
    derivatives.add_after_activation(builder, value, |builder, gradient| {
        both(builder, of.lower_loss(gradient, buffers))
    })
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
    let (parameters, gradients) = (builder.arena("parameters")?, builder.arena("gradients")?);
    let frozen = builder.arena("frozen_parameters")?;
    let state = update::state_of(compiled)
        .into_iter()
        .map(|name| Ok((name, builder.arena(name)?)))
        .collect::<Result<Vec<_>>>()?;
    Ok(Arenas { parameters, frozen, gradients, state })
}
