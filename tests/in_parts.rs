//! What each operation says of batches that run in parts is true of it: its cases, run in f64 on the
//! whole batch and on two parts of it.

use std::collections::HashSet;
use std::sync::Arc;

use minibatch::cpu::CpuExecutor;
use minibatch::operation::{InParts, Op, Penalty};
use minibatch::parity::forms;
use minibatch::program::{Buffer, BufferId, Pass, Program, ProgramBuilder, Role, Rows, Step};

type Values = Vec<(BufferId, Vec<f64>)>;

/// What `outputs` hold after `part` of the rows of a case has run, on an executor that has run others
/// before or not.
fn run(
    oracle: &mut CpuExecutor<f64>,
    inputs: &Values,
    outputs: &[BufferId],
    whole: &Step,
    [first, rows]: [usize; 2],
) -> Values {
    let program = Arc::clone(oracle.program());
    oracle.reserve(rows);
    for (id, values) in inputs {
        let buffer = program.buffer(*id);
        let values = match buffer.rows {
            Rows::Batch => &values[first * buffer.columns..(first + rows) * buffer.columns],
            Rows::Fixed(_) | Rows::Packed(_) | Rows::One => values,
        };
        oracle.write(*id, values).unwrap();
    }
    let step = whole.part(whole.first_row + first, rows);
    for op in program.ops(Pass::Predict) {
        oracle.execute(op, &step);
    }
    outputs.iter().map(|&id| (id, oracle.read(id, rows))).collect()
}

fn assert_close(expected: &[f64], found: &[f64], what: &str) {
    assert_eq!(expected.len(), found.len(), "{what}");
    let scale = expected.iter().fold(1.0f64, |scale, x| scale.max(x.abs()));
    for (expected, found) in expected.iter().zip(found) {
        let same = expected == found || (expected.is_nan() && found.is_nan());
        assert!(
            same || (expected - found).abs() <= 1e-12 * scale,
            "{what}: {found}, not {expected}"
        );
    }
}

/// What a buffer that steps add to amounts to.
fn total(buffer: &Buffer, values: &[f64]) -> Vec<f64> {
    match buffer.rows {
        Rows::One => vec![values.iter().take(Penalty::SLOTS).sum()],
        Rows::Batch | Rows::Fixed(_) | Rows::Packed(_) => values.to_vec(),
    }
}

#[test]
fn what_an_operation_says_of_parts_is_true() {
    const SHAPE: [usize; 3] = [33, 5, 6];
    const CUT: usize = 20;
    let rows = SHAPE[0];
    let mut tried = HashSet::new();
    let mut differing = HashSet::new();
    for form in forms() {
        let case = (form.case)(SHAPE, 1).unwrap();
        let mut builder = ProgramBuilder::from_table(case.table.clone());
        case.ops.iter().for_each(|&op| builder.push(Pass::Predict, op).unwrap());
        let program: Arc<Program> = Arc::new(builder.build());
        let outputs: Vec<BufferId> = case.outputs.iter().map(|(id, _)| *id).collect();
        let fresh = || CpuExecutor::<f64>::new(Arc::clone(&program));
        let kinds: Vec<InParts> = case.ops.iter().map(Op::in_parts).collect();
        let own = |op: &&Op| op.name() == form.operation();
        let op = case.ops.iter().find(own).unwrap_or_else(|| panic!("{} runs another", form.name));
        tried.insert(op.name());
        let in_batch = |id: &BufferId| program.buffer(*id).rows == Rows::Batch;
        if op.in_parts() == InParts::NoRows {
            let touched = [op.reads(), op.writes()].concat();
            assert!(!touched.iter().any(in_batch), "{} has rows", form.name);
            continue;
        }
        let whole = run(&mut fresh(), &case.inputs, &outputs, &case.step, [0, rows]);
        let parts = [[0, CUT], [CUT, rows - CUT]];
        let alone = parts.map(|part| run(&mut fresh(), &case.inputs, &outputs, &case.step, part));
        let sums = kinds.contains(&InParts::Sums);
        let whole_only =
            kinds.contains(&InParts::Whole) || kinds.contains(&InParts::AfterStatistics);
        if whole_only {
            let begins_with =
                |(whole, part): (&(_, Vec<f64>), &(_, Vec<f64>))| whole.1.starts_with(&part.1);
            let same = whole.iter().zip(&alone[0]).all(begins_with);
            assert!(!same, "{} does not depend on the whole batch", form.name);
            differing.insert(op.name());
            continue;
        }
        if op.in_parts() == InParts::Largest {
            let largest = |values: &Values| {
                values.iter().flat_map(|(_, values)| values).copied().fold(f64::MIN, f64::max)
            };
            assert_eq!(
                largest(&whole),
                largest(&alone[0]).max(largest(&alone[1])),
                "{}",
                form.name
            );
            assert!(largest(&alone[0]) != largest(&alone[1]), "{} tells no parts", form.name);
            continue;
        }
        let mut both = fresh();
        run(&mut both, &case.inputs, &outputs, &case.step, parts[0]);
        let inputs: Values =
            case.inputs.iter().filter(|(id, _)| !outputs.contains(id)).cloned().collect();
        let after_both = run(&mut both, &inputs, &outputs, &case.step, parts[1]);
        assert_eq!(sums, !outputs.iter().all(in_batch), "{} writes rows alone or not", form.name);
        for (place, (id, expected)) in whole.iter().enumerate() {
            let buffer = program.buffer(*id);
            let what = format!("{} of {}", buffer.name, form.name);
            let [first, second] = [&alone[0][place].1, &alone[1][place].1];
            if in_batch(id) {
                assert_close(expected, &[&first[..], second].concat(), &what);
            } else if buffer.role == Role::Metric {
                // What steps add to is added to by the parts.
                let after_both = &after_both[place].1;
                assert_close(&total(buffer, expected), &total(buffer, after_both), &what);
            } else {
                let sum: Vec<f64> = first.iter().zip(second).map(|(a, b)| a + b).collect();
                assert_close(expected, &sum, &what);
            }
        }
    }
    let missing: Vec<_> = Op::NAMES.iter().filter(|name| !tried.contains(*name)).collect();
    assert!(missing.is_empty(), "{missing:?} were not tried");
    assert!(!differing.is_empty());
}
