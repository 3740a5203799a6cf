//! The gradient rules of expressions, sums over a row and losses given for each sample, against finite
//! differences in f64.

use std::collections::HashSet;
use std::sync::Arc;

use minibatch::Expression;
use minibatch::cpu::CpuExecutor;
use minibatch::number::expression::Formula;
use minibatch::operation::{Differentiable, Map, Op, RowSum, Rule, SampleLoss, Tape};
use minibatch::program::{BufferId, Element, Pass, ProgramBuilder, Role, Rows, Step};
use minibatch::table::Table;

const ROWS: usize = 5;
const UNITS: usize = 6;
const SCALE: f64 = 0.75;

fn map(table: &mut Table, operands: &[BufferId], output: BufferId, of: &Expression) -> Op {
    let expression = table.add_expression(Formula::new(of).unwrap());
    Map::new(operands, output, expression).unwrap().into()
}

/// `sum over U of gate(x, scale)`, with a scale for each sample, and the quantile loss of the sum: the
/// forward operations, then what they depend on.
fn model(table: &mut Table) -> (Vec<Op>, [BufferId; 2], BufferId) {
    let mut rows = |name: &str, columns| table.activation(name, columns).unwrap();
    let [x, scale] = [rows("x", UNITS), rows("scale", 1)];
    let [gated, sum, value] = [rows("gated", UNITS), rows("sum", 1), rows("value", 1)];
    let gradient = rows("loss gradient", 1);
    let mut add = |name: &str, role, element, columns| {
        table.add(name, role, element, Rows::Batch, columns).unwrap()
    };
    let sample_weights = add("weights", Role::SampleWeight, Element::Real, 1);
    let loss = add("loss", Role::Metric, Element::Real, 1);
    let counts = add("counts", Role::Metric, Element::U32, 2);
    let [a, b] = &Expression::operands();
    // The scale counts where it is the same for the row and where it is one of the values alike.
    let gate = a * (a * b).sigmoid() + a.tanh() / (b.square() + 1.0);
    let error = a * a - b;
    let quantile = error.if_positive(&error * 0.9, &error * -0.1);
    let ops = vec![
        map(table, &[x, scale], gated, &gate),
        RowSum { input: gated, output: sum }.into(),
        map(table, &[sum, scale], value, &quantile),
        SampleLoss {
            value,
            sample_weights,
            loss,
            counts,
            gradient,
            loss_scale: None,
            scale: SCALE,
        }
        .into(),
    ];
    (ops, [x, scale], loss)
}

fn reverse<O: Differentiable>(op: &O, tape: &mut Tape) {
    match O::RULE {
        Rule::Begins(rule) | Rule::Reverse(rule) => rule(op, tape).unwrap(),
        Rule::Stops(why) => panic!("{why}"),
    }
}

#[test]
fn rules_give_the_slopes_of_the_loss() {
    const STEP: f64 = 1e-4;
    let mut table = Table::new();
    let (forward, variables, loss) = model(&mut table);
    let depend: HashSet<BufferId> = forward.iter().flat_map(Op::writes).chain(variables).collect();
    let mut tape = Tape::new(table, forward.iter().copied(), depend);
    for op in forward.iter().rev() {
        match op {
            Op::Map(op) => reverse(op, &mut tape),
            Op::RowSum(op) => reverse(op, &mut tape),
            Op::SampleLoss(op) => reverse(op, &mut tape),
            other => panic!("{other:?}"),
        }
    }
    let gradients = variables.map(|id| tape.total(id).unwrap().unwrap());
    let mut builder = ProgramBuilder::from_table(tape.table);
    for op in forward.into_iter().chain(tape.ops) {
        builder.push(Pass::Train, op).unwrap();
    }
    let program = Arc::new(builder.build());
    let sizes = [ROWS * UNITS, ROWS];
    let start: Vec<Vec<f64>> = sizes
        .iter()
        .map(|&count| (0..count).map(|i| 0.3 + 0.9 * (1.7 * i as f64).sin()).collect())
        .collect();
    let weights: Vec<f64> = (0..ROWS).map(|row| 0.5 + 0.25 * row as f64).collect();
    let sample_weights = program.find("weights").unwrap();
    let run = |values: &[Vec<f64>]| {
        let mut cpu = CpuExecutor::<f64>::new(Arc::clone(&program));
        cpu.reserve(ROWS);
        for (id, values) in variables.iter().zip(values) {
            cpu.write(*id, values).unwrap();
        }
        cpu.write(sample_weights, &weights).unwrap();
        for op in program.ops(Pass::Train) {
            cpu.execute(op, &Step::forward(ROWS));
        }
        cpu
    };
    let total = |values: &[Vec<f64>]| {
        let of_rows: f64 = run(values).read(loss, ROWS).iter().sum();
        of_rows * SCALE / ROWS as f64
    };
    let at_start = run(&start);
    for (variable, gradient) in gradients.into_iter().enumerate() {
        for (place, derivative) in at_start.read(gradient, ROWS).into_iter().enumerate() {
            let moved = |steps: f64| {
                let mut values = start.clone();
                values[variable][place] += steps * STEP;
                total(&values)
            };
            let near = 8.0 * (moved(1.0) - moved(-1.0));
            let slope = (near - (moved(2.0) - moved(-2.0))) / (12.0 * STEP);
            assert!(
                (derivative - slope).abs() < 1e-9,
                "variable {variable}, {place}: {derivative}, not {slope}"
            );
        }
    }
}

/// A gradient that nothing is trained with is not computed.
#[test]
fn what_is_not_trained_costs_nothing() {
    let mut table = Table::new();
    let (forward, [x, _], _) = model(&mut table);
    let backward = |wanted: &[BufferId], table: Table| {
        let written = forward.iter().flat_map(Op::writes);
        let depend = written.chain(wanted.iter().copied()).collect();
        let mut tape = Tape::new(table, forward.iter().copied(), depend);
        for op in forward.iter().rev() {
            match op {
                Op::Map(op) => reverse(op, &mut tape),
                Op::RowSum(op) => reverse(op, &mut tape),
                Op::SampleLoss(op) => reverse(op, &mut tape),
                other => panic!("{other:?}"),
            }
        }
        tape.ops.iter().map(Op::name).collect::<Vec<_>>()
    };
    assert_eq!(backward(&[x], table), ["map", "map", "map"]);
}
