//! From a graph with its gradients to a program: the lists of operations of each pass, and a place
//! and a name for each buffer that they use.

use std::collections::{HashMap, HashSet};

use super::builder::ProgramBuilder;
use super::graph::{Graph, Initial, Node, Outside};
use super::pass::Pass;
use super::reuse::shared_buffers;
use crate::error::Result;
use crate::operation::{Access, Derivative, Op};
use crate::table::{Buffer, BufferId, Element, Role, Rows};

/// A program without its update, and the buffers that the update is made of.
pub(crate) struct Placed {
    pub builder: ProgramBuilder,
    /// The flat allocations of the trained parameters, of their gradients, and of what the
    /// optimizer keeps, by its name.
    pub arenas: Arenas,
    /// The gradients of the trained parameters.
    pub gradients: Vec<BufferId>,
    /// What each parameter costs: parameter, gradient, rates of L1 and L2.
    pub penalties: Vec<(BufferId, BufferId, [f64; 2])>,
    /// What does not begin with zeros.
    pub initial: Vec<(BufferId, Initial)>,
    /// Where the graph's buffers lie.
    pub places: HashMap<BufferId, BufferId>,
}

/// Flat allocations.
pub(crate) struct Arenas {
    pub parameters: BufferId,
    pub gradients: BufferId,
    pub state: Vec<(&'static str, BufferId)>,
}

/// The operations of each pass.
struct Lists {
    train: Vec<Op>,
    /// Those of training without what only metrics and moving statistics need.
    gradients: Vec<Op>,
    evaluate: Vec<Op>,
    predict: Vec<Op>,
    /// Results of prediction.
    outputs: Vec<(String, BufferId)>,
}

impl Lists {
    fn share_buffers(&mut self, graph: &Graph) {
        let results: HashSet<BufferId> = self.outputs.iter().map(|&(_, id)| id).collect();
        let lists = [&self.train[..], &self.evaluate, &self.predict];
        let owners = shared_buffers(graph, &lists, &results);
        // Values live at most as long among the operations of the gradients as in training.
        let Lists { train, gradients, evaluate, predict, .. } = self;
        for op in [train, gradients, evaluate, predict].into_iter().flatten() {
            op.each_mut(&mut |_, id| *id = owners.get(id).copied().unwrap_or(*id));
        }
    }
}

/// Makes the lists and places the buffers. `gradients` are those of the trained parameters,
/// `state` names what the optimizer keeps for each. With `reuse`, values share memory that do not
/// live at the same time.
///
/// # Errors
/// Those of [`Table`](crate::table::Table) and of [`Op::check`].
pub(super) fn place(
    graph: Graph,
    gradients: &[(BufferId, Option<BufferId>)],
    reuse: bool,
    state: &[&'static str],
) -> Result<Placed> {
    let mut lists = lists(&graph, gradients);
    if reuse {
        lists.share_buffers(&graph);
    }
    let mut table = graph.table.without_buffers();
    // Names with a dot, which an input cannot have.
    let mut arena = |name: &str| table.arena(format!("all.{name}"));
    let (parameters, gradient_arena) = (arena("parameters")?, arena("gradients")?);
    // What a prediction reads lies in this arena and in that of the trained parameters, so that a
    // host's shader needs two bindings for all of it.
    let untrained = arena("untrained")?;
    let state: Vec<_> =
        state.iter().map(|&name| Ok((name, arena(name)?))).collect::<Result<_>>()?;
    let used: HashSet<BufferId> = [&lists.train, &lists.evaluate, &lists.predict]
        .into_iter()
        .flatten()
        .flat_map(buffers)
        .chain(lists.outputs.iter().map(|&(_, id)| id))
        .collect();
    let names = names(&graph, &used);
    let written: HashSet<BufferId> = [&lists.train, &lists.evaluate, &lists.predict]
        .into_iter()
        .flatten()
        .flat_map(Op::writes)
        .collect();
    // Moving statistics, and what never changes.
    let lies_untrained = |id: BufferId, buffer: &Buffer| match buffer.role {
        Role::Parameter => !graph.trained.contains(&id),
        Role::State => true,
        Role::Scratch => {
            (buffer.element, buffer.rows) == (Element::Real, Rows::One) && !written.contains(&id)
        }
        Role::Input
        | Role::Target
        | Role::SampleWeight
        | Role::ParameterGradient
        | Role::OptimizerState
        | Role::Activation
        | Role::Metric
        | Role::Handover
        | Role::Arena => false,
    };
    let of_parameters: HashSet<BufferId> = gradients.iter().filter_map(|(_, id)| *id).collect();
    let mut places = HashMap::new();
    let mut placed_gradients = HashMap::new();
    for (id, buffer) in graph.table.buffers() {
        // The data's columns are told by their order, so those that nothing reads stay too.
        let of_data = matches!(buffer.role, Role::Input | Role::Target | Role::SampleWeight);
        let kept = used.contains(&id) || of_data;
        if !kept || of_parameters.contains(&id) {
            continue;
        }
        let Buffer { role, element, reals, rows, columns, .. } = *buffer;
        let name = names.get(&id).unwrap_or(&buffer.name);
        let new = if lies_untrained(id, buffer) {
            table.slice(untrained, name.as_str(), role, rows, columns)?
        } else if role != Role::Parameter {
            let place = table.add(name.as_str(), role, element, rows, columns)?;
            table.store(place, reals);
            place
        } else {
            let parameter = table.slice(parameters, name.as_str(), role, rows, columns)?;
            let (gradient, role) = (format!("{name}.gradient"), Role::ParameterGradient);
            let gradient = table.slice(gradient_arena, gradient, role, rows, columns)?;
            for &(kept, arena) in &state {
                let (name, role) = (format!("{name}.{kept}"), Role::OptimizerState);
                table.slice(arena, name, role, rows, columns)?;
            }
            placed_gradients.insert(id, gradient);
            parameter
        };
        places.insert(id, new);
    }
    for (parameter, gradient) in gradients {
        if let (Some(gradient), Some(&place)) = (gradient, placed_gradients.get(parameter)) {
            places.insert(*gradient, place);
        }
    }
    let moved = |id: BufferId| places.get(&id).copied().unwrap_or(id);
    let mut builder = ProgramBuilder::from_table(table);
    for (pass, list) in [
        (Pass::Train, lists.train),
        (Pass::Gradients, lists.gradients),
        (Pass::Evaluate, lists.evaluate),
        (Pass::Predict, lists.predict),
    ] {
        for mut op in list {
            op.each_mut(&mut |_, id| *id = moved(*id));
            builder.push(pass, op)?;
        }
    }
    for (name, id) in lists.outputs {
        builder.output(name, moved(id));
    }
    let of = |id: &BufferId| Some((*places.get(id)?, *placed_gradients.get(id)?));
    let penalties = graph.penalties.iter().filter_map(|(id, l1, l2)| {
        of(id).map(|(parameter, gradient)| (parameter, gradient, [*l1, *l2]))
    });
    let initial = graph.initial.iter();
    Ok(Placed {
        builder,
        arenas: Arenas { parameters, gradients: gradient_arena, state },
        gradients: graph
            .trained
            .iter()
            .filter_map(|id| placed_gradients.get(id))
            .copied()
            .collect(),
        penalties: penalties.collect(),
        initial: initial
            .filter_map(|(id, initial)| Some((*places.get(id)?, initial.clone())))
            .collect(),
        places,
    })
}

/// The operations that each pass needs.
fn lists(graph: &Graph, gradients: &[(BufferId, Option<BufferId>)]) -> Lists {
    let role = |id: BufferId| graph.table.buffer(id).role;
    let of_parameters: HashSet<BufferId> = gradients.iter().filter_map(|(_, id)| *id).collect();
    let train: Vec<Op> = graph.nodes.iter().map(|node| node.op).collect();
    let train = needed(&train, |id| {
        matches!(role(id), Role::Metric | Role::State) || of_parameters.contains(&id)
    });
    let of_gradients = needed(&train, |id| of_parameters.contains(&id));
    let (outside, stands_for) = outside(graph);
    let evaluate = needed(&outside, |id| role(id) == Role::Metric);
    let outputs = graph.outputs.iter().map(|(name, id)| {
        let value = stands_for.get(id).copied().unwrap_or(*id);
        (name.clone(), value)
    });
    let outputs: Vec<(String, BufferId)> = outputs.collect();
    let results: HashSet<BufferId> = outputs.iter().map(|&(_, id)| id).collect();
    let predict = needed(&outside, |id| results.contains(&id));
    Lists { train, gradients: of_gradients, evaluate, predict, outputs }
}

/// The operations outside training, and of each value that is left out what stands for it.
fn outside(graph: &Graph) -> (Vec<Op>, HashMap<BufferId, BufferId>) {
    let mut stands_for: HashMap<BufferId, BufferId> = HashMap::new();
    let mut ops = Vec::new();
    for Node { op, outside } in &graph.nodes {
        let mut op = match outside {
            Outside::Same => *op,
            Outside::Other(other) => *other,
            Outside::Absent => continue,
            Outside::Identity => {
                if let ([input, ..], [output, ..]) = (&op.reads()[..], &op.writes()[..]) {
                    let input = stands_for.get(input).copied().unwrap_or(*input);
                    stands_for.insert(*output, input);
                }
                continue;
            }
        };
        op.each_mut(&mut |access, id| {
            if access.is_read()
                && let Some(value) = stands_for.get(id)
            {
                *id = *value;
            }
        });
        ops.push(op);
    }
    (ops, stands_for)
}

/// Those of `ops` that write what is wanted or what later ones among them read.
fn needed(ops: &[Op], wanted: impl Fn(BufferId) -> bool) -> Vec<Op> {
    let mut read: HashSet<BufferId> = HashSet::new();
    let mut kept = Vec::new();
    for op in ops.iter().rev() {
        if op.writes().iter().any(|&id| wanted(id) || read.contains(&id)) {
            read.extend(buffers(op));
            kept.push(*op);
        }
    }
    kept.reverse();
    kept
}

fn buffers(op: &Op) -> Vec<BufferId> {
    let mut all = Vec::new();
    op.each(&mut |_: Access, id| all.push(id));
    all
}

/// The names of gradients: `dense_1.output.gradient`, `dense_1.output.gradient_2` through its
/// second use, and `dense_1.output.gradient.sum_1` of both.
fn names(graph: &Graph, used: &HashSet<BufferId>) -> HashMap<BufferId, String> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    let mut names: HashMap<BufferId, String> = HashMap::new();
    for (id, _) in graph.table.buffers().filter(|(id, _)| used.contains(id)) {
        let Some(&derivative) = graph.derivatives.get(&id) else { continue };
        let name = match derivative {
            Derivative::Of(value) => format!("{}.gradient", value_name(graph, value)),
            Derivative::Sum(value) => format!("{}.gradient.sum", value_name(graph, value)),
            Derivative::Unwanted(id) => format!("{}.no_gradient", value_name(graph, id)),
        };
        let count = counts.entry(name.clone()).or_insert(0);
        *count += 1;
        let name = match (derivative, *count) {
            (Derivative::Of(_) | Derivative::Unwanted(_), 1) => name,
            (_, number) => format!("{name}_{number}"),
        };
        names.insert(id, name);
    }
    names
}

/// The name of a value; of one that became the result of the operation before it, the name of that
/// result as it is after its activation.
fn value_name(graph: &Graph, id: BufferId) -> String {
    match graph.merged.iter().find(|(from, _)| *from == id) {
        Some((_, to)) => format!("{}.activated", value_name(graph, *to)),
        None => graph.table.buffer(id).name.clone(),
    }
}
