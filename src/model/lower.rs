//! From a compiled model to its program.

use super::compiled::Compiled;
use super::functional::NodeKind;
use super::metric_sums::{Predictions, Source, check as check_metric, gives_logits, push_metric};
use super::objective::{Judged, push_loss, says_linear};
use super::precision::Precision;
use super::report::{OutputReport, Report};
use super::update::{check_optimizer, push_update, state_of};
use super::{Functional, Input, InputType, Objective, check, metric_sums};
use crate::error::{Error, Result};
use crate::operation::{InParts, Op};
use crate::program::{
    BufferId, Element, Graph, Initial, Options, Pass, Program, Reals, Role, Rows, Value, compile,
    not_dense,
};

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
    check_optimizer(&compiled.optimizer)?;
    check_counts(compiled)?;
    check::check(&compiled.architecture)?;
    let objectives = objectives(compiled)?;
    let mut graph = Graph::new();
    if compiled.precision == Precision::MixedFloat16 {
        graph.add_loss_scale()?;
        graph.store_activations(Reals::Half);
    }
    let values = trace(&mut graph, &compiled.architecture)?;
    // Losses and metrics are computed and stored in f32, as in Keras.
    graph.store_activations(Reals::Full);
    let mut judged = Vec::with_capacity(objectives.len());
    for (name, place, objective) in objectives {
        let value = value_at(&values, place, name)?.clone();
        let linear = says_linear(&compiled.architecture, place);
        judged.push(Judged::new(&mut graph, name, objective, value, linear)?);
    }
    let mut report = Report::default();
    for of in &judged {
        report.outputs.push(push_objective(&mut graph, of)?);
    }
    report.penalties = graph.push_penalties()?;
    let state = state_of(compiled);
    let options = Options { fusion: compiled.fusion, reuse: compiled.reuse_memory, state: &state };
    let mut placed = compile(graph, options)?;
    push_update(&mut placed, compiled)?;
    if compiled.fusion {
        placed.builder.hand_over()?;
    }
    let report = report.moved(|id| placed.places.get(&id).copied().unwrap_or(id));
    let program = placed.builder.build();
    check_parts(compiled, &program)?;
    Ok(Lowered { program, initial: placed.initial, report })
}

/// Adds what the layers compute; returns the value of each step.
fn trace(graph: &mut Graph, functional: &Functional) -> Result<Vec<Value>> {
    let mut values: Vec<Value> = Vec::new();
    for node in functional.nodes() {
        let name = &node.name;
        graph.scope(name);
        let value = match &node.kind {
            NodeKind::Input { input } => self::input(graph, name, input)?,
            NodeKind::Layer { layer, of } => layer.forward(graph, value_at(&values, *of, name)?)?,
            NodeKind::Shared { layer_of, of } => {
                let owner = functional.nodes().get(*layer_of).map(|node| node.name.as_str());
                let layer = functional.layer_at(*layer_of).zip(owner);
                let (layer, owner) = layer.ok_or_else(|| {
                    Error::argument("layers", format!("{name:?} is of no layer of this model"))
                })?;
                graph.scope(owner);
                graph.share(true);
                let value = layer.forward(graph, value_at(&values, *of, name)?);
                graph.share(false);
                value?
            }
            NodeKind::Add { of } => join(graph, &values, of, Graph::add)?,
            NodeKind::Concatenate { of } => join(graph, &values, of, Graph::concatenate)?,
        };
        values.push(value);
    }
    for output in functional.outputs() {
        let value = value_at(&values, output.of, &output.name)?;
        if let Element::Sparse { .. } = value.element() {
            return Err(not_dense(&output.name, functional.name_of(output.of)));
        }
        graph.output(&output.name, value);
    }
    graph.drop_unused();
    Ok(values)
}

fn value_at<'a>(values: &'a [Value], place: usize, name: &str) -> Result<&'a Value> {
    values.get(place).ok_or_else(|| {
        Error::argument("layers", format!("{name:?} takes a value of another model"))
    })
}

fn input(graph: &mut Graph, name: &str, input: &Input) -> Result<Value> {
    match input.values {
        InputType::F32 => graph.input(name, &input.shape),
        InputType::U8 { scale } => graph.bytes(name, &input.shape, scale),
        InputType::Sparse { most } => match input.shape.as_slice() {
            &[width] => graph.sparse(name, width, most),
            shape => {
                let problem = format!("{name:?} is sparse and of shape {shape:?}; give one number");
                Err(Error::argument("input", problem))
            }
        },
    }
}

/// Joins values one after the other.
fn join(
    graph: &mut Graph,
    values: &[Value],
    of: &[usize],
    pair: fn(&mut Graph, &Value, &Value) -> Result<Value>,
) -> Result<Value> {
    let name = graph.name().to_owned();
    let mut joined: Option<Value> = None;
    for (number, &place) in of.iter().enumerate() {
        let value = value_at(values, place, &name)?;
        joined = Some(match joined {
            None => value.clone(),
            Some(first) if number + 1 == of.len() => pair(graph, &first, value)?,
            Some(first) => {
                graph.within(&format!("part_{number}"), |graph| pair(graph, &first, value))?
            }
        });
    }
    joined.ok_or_else(|| Error::argument("layers", format!("{name:?} takes no value")))
}

/// Adds loss and metrics of one output.
fn push_objective(graph: &mut Graph, of: &Judged<'_>) -> Result<OutputReport> {
    let watched = metric_sums::watched(of);
    watched.iter().try_for_each(|&(_, metric, _)| check_metric(of, metric))?;
    let looks = |&(_, m, weighted): &metric_sums::Watched<'_>| {
        metric_sums::source(of, m, weighted) == Source::Probabilities
    };
    let predictions = of.value.buffer();
    let mut probabilities = predictions;
    if watched.iter().any(looks) && gives_logits(of) {
        graph.scope(&format!("{}.probabilities", of.name));
        let sigmoid = crate::operation::activation::Elementwise::Sigmoid;
        graph.store_activations(graph.stored(&of.value));
        probabilities = graph.activate(&of.value, sigmoid)?.buffer();
        graph.store_activations(Reals::Full);
    }
    let output = of.name;
    let (name, role) = (format!("sample_weights.{output}"), Role::SampleWeight);
    let sample_weights = graph.rows(name, role, Element::Real, 1)?;
    let name = format!("metrics.{output}.loss");
    let loss = graph.metric(name, Element::Real, Rows::Batch, 1)?;
    let name = format!("metrics.{output}.counts");
    let counts = graph.metric(name, Element::U32, Rows::Batch, 2)?;
    push_loss(graph, of, [sample_weights, loss, counts])?;
    let of_output = Predictions { predictions, probabilities, sample_weights, counts };
    let mut metrics = Vec::with_capacity(watched.len());
    for watched in watched {
        metrics.push(push_metric(graph, of, of_output, watched)?);
    }
    let (name, loss_weight) = (output.to_owned(), of.objective.loss_weight);
    Ok(OutputReport { name, loss_weight, loss, counts, metrics })
}

/// The outputs that have an objective, in their order: name, place in the graph, objective.
fn objectives(compiled: &Compiled) -> Result<Vec<(&str, usize, &Objective)>> {
    let Compiled { objectives, architecture, .. } = compiled;
    let outputs = architecture.outputs();
    for (i, (name, _)) in objectives.iter().enumerate() {
        let known: Vec<&str> = outputs.iter().map(|output| output.name.as_str()).collect();
        if !known.contains(&name.as_str()) {
            let problem = format!("is of {name:?}; the model's outputs are {}", known.join(", "));
            return Err(Error::argument("loss", problem));
        }
        if objectives.iter().skip(i + 1).any(|(other, _)| other == name) {
            return Err(Error::argument("loss", format!("is given twice for {name:?}")));
        }
    }
    let judged = outputs.iter().filter_map(|output| {
        let objective = objectives.iter().find(|(other, _)| *other == output.name);
        objective.map(|(_, objective)| (output.name.as_str(), output.of, objective))
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
    if compiled.precision == Precision::MixedFloat16 && compiled.gradient_accumulation_steps > 1 {
        let problem = "are more than 1, which MixedFloat16 does not know what to do with when \
                       gradients are not finite; give 1, and a micro_batch_size if memory is short";
        return Err(Error::argument("gradient_accumulation_steps", problem));
    }
    if let Some(shards) = compiled.shards {
        if !(1..=Compiled::MOST_SHARDS).contains(&shards) {
            let problem = format!("is {shards}; give 1 to {}", Compiled::MOST_SHARDS);
            return Err(Error::argument("shards", problem));
        }
        if let Some(rows) = compiled.micro_batch_size {
            let problem = format!(
                "is {shards}, together with a micro_batch_size of {rows}; give more shards instead, \
                 each of which runs by itself"
            );
            return Err(Error::argument("shards", problem));
        }
    }
    match compiled.micro_batch_size {
        Some(0) => Err(Error::argument("micro_batch_size", "is 0; give at least 1")),
        Some(_) | None => Ok(()),
    }
}

/// Refuses to cut batches that an operation needs as a whole.
fn check_parts(compiled: &Compiled, program: &Program) -> Result<()> {
    let argument = match (compiled.micro_batch_size, compiled.shards) {
        (Some(_), _) => "micro_batch_size",
        (None, Some(_)) => "shards",
        (None, None) => return Ok(()),
    };
    match needs_whole_batches(program) {
        Some(reason) => {
            let problem =
                format!("is given, but {reason}; freeze that layer, or leave the argument out");
            Err(Error::argument(argument, problem))
        }
        None => Ok(()),
    }
}

/// Why the batches that `program` trains on cannot run in parts; `None` if they can.
pub(crate) fn needs_whole_batches(program: &Program) -> Option<String> {
    let whole = |op: &&Op| match op.in_parts() {
        InParts::Whole => true,
        InParts::Rows
        | InParts::Sums
        | InParts::Largest
        | InParts::NoRows
        | InParts::AfterStatistics => false,
    };
    let op = program.ops(Pass::Train).iter().find(whole)?;
    let written = op.writes().first().map(|&id| program.buffer(id).name.as_str());
    let layer = written.and_then(|name| name.split('.').next()).unwrap_or_default();
    let name = op.name();
    Some(format!("{layer} takes statistics of a whole batch ({name}), which its parts have not"))
}
