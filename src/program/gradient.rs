//! Reverse mode over a graph: from what adds to the loss to the gradients of the parameters.

use std::collections::HashSet;

use super::graph::{Graph, Node, Outside};
use crate::error::Result;
use crate::operation::{Accumulate, DenseBackwardWeights, Direction, Op, Tape, direction, reverse};
use crate::table::{BufferId, Rows};

/// A trained parameter and its gradient, `None` where the loss does not depend on it.
pub(super) type ParameterGradient = (BufferId, Option<BufferId>);

/// Appends the backward operations to `graph`, by the rule of each operation; returns the trained
/// parameters with their gradients.
///
/// # Errors
/// Those of the rules.
pub(super) fn push_gradients(graph: &mut Graph) -> Result<Vec<ParameterGradient>> {
    let forward: Vec<Op> = graph.nodes.iter().map(|node| node.op).collect();
    let trained = depending_on(&forward, graph.trained.iter().copied().collect());
    let table = std::mem::take(&mut graph.table);
    let mut tape = Tape::new(table, forward.iter().copied(), trained);
    // What adds to the loss comes first, in the order in which it was said.
    for op in forward.iter().filter(|op| direction(op) == Direction::Begins) {
        reverse(op, &mut tape)?;
    }
    for op in forward.iter().rev().filter(|op| direction(op) == Direction::Reverse) {
        if op.writes().iter().any(|&id| tape.wants(id)) {
            reverse(op, &mut tape)?;
        }
    }
    let mut gradients = Vec::new();
    for &parameter in &graph.trained {
        let parts = tape.contributions(parameter).to_vec();
        let penalized = graph.penalties.iter().any(|&(id, ..)| id == parameter);
        let gradient = match parts.split_first() {
            None if penalized => Some(push_zeros(&mut tape, parameter)?),
            None => None,
            Some((&first, others)) => {
                for &gradients in others {
                    tape.push(Accumulate { gradients, accumulated: first })?;
                }
                Some(first)
            }
        };
        gradients.push((parameter, gradient));
    }
    let Tape { table, ops, derivatives, .. } = tape;
    graph.table = table;
    graph.derivatives.extend(derivatives);
    graph.nodes.extend(ops.into_iter().map(|op| Node { op, outside: Outside::Absent }));
    Ok(gradients)
}

/// `trained`, and all that is computed from it as far as gradients pass.
fn depending_on(forward: &[Op], mut trained: HashSet<BufferId>) -> HashSet<BufferId> {
    for op in forward {
        let passes = match direction(op) {
            Direction::Reverse => op.reads().iter().any(|id| trained.contains(id)),
            Direction::Begins | Direction::Stops(_) => false,
        };
        if passes {
            trained.extend(op.writes());
        }
    }
    trained
}

/// The gradient of a parameter that the loss does not depend on, but that a penalty is added to:
/// each step begins with zeros, the product of buffers to which nothing writes.
fn push_zeros(tape: &mut Tape, parameter: BufferId) -> Result<BufferId> {
    let (rows, columns) = match tape.table.buffer(parameter).rows {
        Rows::Fixed(rows) | Rows::Packed(rows) => (Some(rows), tape.table.columns(parameter)),
        Rows::One | Rows::Batch => (None, tape.table.columns(parameter)),
    };
    let input = tape.zeros(rows.unwrap_or(1))?;
    let output_gradient = tape.zeros(columns)?;
    let gradient = tape.gradient(parameter)?;
    let unused = match rows {
        Some(_) => tape.scratch(Rows::One, columns)?,
        None => tape.scratch(Rows::Fixed(1), columns)?,
    };
    let (weight_gradient, bias_gradient) = match rows {
        Some(_) => (gradient, unused),
        None => (unused, gradient),
    };
    tape.push(DenseBackwardWeights { input, output_gradient, weight_gradient, bias_gradient })?;
    Ok(gradient)
}

#[cfg(test)]
mod tests {
    use crate::operation::activation::Elementwise;
    use crate::operation::{Frequencies, GridSizes, Op, Run, reversed};
    use crate::program::Initializer;
    use crate::program::testing::{dense, judge};
    use crate::program::{Affine, Graph, Options, Pass, Role, Step, Value, compile};
    use crate::random::{Random, Stream};
    use crate::table::{Element, Memory};
    use crate::threads::Threads;

    const ROWS: usize = 3;

    /// Sparse rows of five columns, with room for two values.
    const SPARSE: [[u32; 4]; ROWS] = {
        const NONE: u32 = Element::NO_COLUMN;
        let [a, b] = [0.75f32.to_bits(), (-1.5f32).to_bits()];
        [[0, 4, a, b], [4, NONE, a, 0], [NONE, NONE, 0, 0]]
    };

    /// Compares the gradients of a model, `rest` of a dense layer's results, with the differences of
    /// its loss. Returns the names of its operations.
    fn assert_slopes(rest: impl FnOnce(&mut Graph, &Value) -> Value) -> Vec<&'static str> {
        let mut graph = Graph::new();
        let x = graph.input("x", &[4]).unwrap();
        let sums = dense(&mut graph, "first", &x);
        graph.scope("rest");
        let hidden = graph.activate(&sums, Elementwise::Tanh).unwrap();
        let output = rest(&mut graph, &hidden);
        judge(&mut graph, &output);
        let options = Options { fusion: true, reuse: false, state: &[] };
        let program = compile(graph, options).unwrap().builder.build();
        let table = program.table();
        let mut memory = Memory::<f64>::new(table, ROWS);
        let mut random = Random::new(7, Stream::Parity);
        for (id, buffer) in program.buffers() {
            let count = buffer.live_rows(ROWS) * buffer.columns;
            if let Element::Sparse { .. } = buffer.element {
                memory
                    .write(
                        table,
                        id,
                        &SPARSE.concat().into_iter().map(f64::from).collect::<Vec<_>>(),
                    )
                    .unwrap();
                continue;
            }
            if [Role::Input, Role::Target, Role::SampleWeight, Role::Parameter]
                .contains(&buffer.role)
            {
                let values: Vec<f64> = (0..count).map(|_| random.uniform() - 0.3).collect();
                memory.write(table, id, &values).unwrap();
            }
        }
        let step = Step::forward(ROWS);
        let loss = program.find("loss").unwrap();
        let run = |memory: &mut Memory<f64>| -> f64 {
            memory.clear(loss);
            for op in program.ops(Pass::Train) {
                let threads = &Threads::one();
                op.run(&Run { table, memory, step: &step, threads });
            }
            memory.read(table, loss, ROWS).iter().sum::<f64>() / ROWS as f64
        };
        let parameters: Vec<_> = program.of_role(Role::Parameter).collect();
        for (id, parameter) in parameters {
            // The last run was of the parameter before, a little changed.
            run(&mut memory);
            let gradient = program.find(&format!("{}.gradient", parameter.name)).unwrap();
            let slopes = memory.read(table, gradient, ROWS);
            let values = memory.read(table, id, ROWS);
            for (i, slope) in slopes.into_iter().enumerate() {
                let mut at = |offset: f64| {
                    let mut values = values.clone();
                    values[i] += offset;
                    memory.write(table, id, &values).unwrap();
                    run(&mut memory)
                };
                let difference = (at(1e-5) - at(-1e-5)) / 2e-5;
                assert!((slope - difference).abs() < 1e-8, "{slope} for {difference}");
            }
            memory.write(table, id, &values).unwrap();
        }
        program.ops(Pass::Train).iter().map(Op::name).collect()
    }

    /// The list of operations is the truth here: a rule that no model of these has is compared with
    /// nothing.
    #[test]
    fn the_gradient_rule_of_every_operation_gives_slopes() {
        type Rest = fn(&mut Graph, &Value) -> crate::Result<Value>;
        let models: [Rest; 14] = [
            |graph, hidden| graph.activate(hidden, Elementwise::Gelu),
            |graph, hidden| graph.softmax(hidden),
            |graph, hidden| graph.add(hidden, hidden),
            |graph, hidden| graph.concatenate(hidden, hidden),
            |graph, hidden| graph.slice(hidden, 1..3),
            |graph, hidden| graph.map([hidden], |[x]| x.clone() * x),
            |graph, hidden| graph.mean(hidden),
            |graph, hidden| graph.dropout(hidden, 0.25),
            |graph, hidden| graph.frequency_encoding(hidden, Frequencies::new(3, true)?),
            |graph, hidden| {
                let [levels, features, log2_table_size] = [2, 2, 4];
                let [base_resolution, finest_resolution] = [1, 3];
                let sizes = GridSizes {
                    levels,
                    features,
                    log2_table_size,
                    base_resolution,
                    finest_resolution,
                };
                let position = graph.activate(hidden, Elementwise::Sigmoid)?;
                let initializer = Initializer::Zeros;
                let table = graph.hash_grid_table("table", 4, sizes, initializer, true)?;
                graph.hash_grid(&position, &table, sizes)
            },
            |graph, hidden| graph.gaussian_noise(hidden, 0.5),
            |graph, hidden| {
                let moving = [graph.constant("a", 4, 0.0)?, graph.constant("b", 4, 0.0)?];
                graph.batch_normalize(hidden, Affine::default(), moving.each_ref(), 0.9, 0.5)
            },
            |graph, hidden| graph.layer_normalize(hidden, Affine::default(), 0.5),
            |graph, hidden| {
                let words = graph.sparse("words", 5, 2)?;
                let sums = dense(graph, "sparse", &words);
                graph.add(hidden, &sums)
            },
        ];
        let ops: Vec<&str> =
            models.into_iter().flat_map(|rest| assert_slopes(|g, x| rest(g, x).unwrap())).collect();
        let missing: Vec<_> = reversed().into_iter().filter(|name| !ops.contains(name)).collect();
        assert!(missing.is_empty(), "no model here has {missing:?}");
    }

    #[test]
    fn slices_give_their_gradient_to_their_columns() {
        for columns in [0..2, 1..3, 2..4, 0..4] {
            assert_slopes(|graph, hidden| graph.slice(hidden, columns).unwrap());
        }
    }

    #[test]
    fn a_value_of_three_uses_has_the_sum_of_three_gradients() {
        assert_slopes(|graph, hidden| {
            let slice = graph.slice(hidden, 1..4).unwrap();
            let twice = graph.add(hidden, hidden).unwrap();
            let softmax = graph.softmax(hidden).unwrap();
            let both = graph.concatenate(&slice, &twice).unwrap();
            graph.concatenate(&both, &softmax).unwrap()
        });
    }
}
