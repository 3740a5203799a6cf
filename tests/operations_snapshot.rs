//! How many operations and dispatches each pass of many models has: never more than recorded in
//! tests/snapshots/operations.txt.
//!
//! With `MINIBATCH_RECORD_OPERATIONS=1` the record is written anew. With
//! `MINIBATCH_LIST_OPERATIONS=FILE` every operation and dispatch is listed in FILE, so that the
//! lists of two builds can be compared.

#[path = "support/models.rs"]
mod models;
#[path = "support/trainings.rs"]
mod trainings;

use std::collections::BTreeMap;
use std::fmt::Write;

use minibatch::model::Compiled;
use minibatch::operation::Op;
use minibatch::program::{BufferId, Pass, Program};
use minibatch::{Gpu, Model};

const RECORD: &str = "tests/snapshots/operations.txt";
const PASSES: [(&str, Pass); 4] = [
    ("train", Pass::Train),
    ("update", Pass::Update),
    ("evaluate", Pass::Evaluate),
    ("predict", Pass::Predict),
];

/// The names of what a pass consists of, in order.
#[derive(Default)]
struct Lists {
    operations: Vec<String>,
    dispatches: Vec<String>,
}

fn names(program: &Program, ids: &[BufferId]) -> String {
    let names: Vec<&str> = ids.iter().map(|&id| program.buffer(id).name.as_str()).collect();
    names.join(", ")
}

fn operation(program: &Program, op: &Op) -> String {
    let [reads, writes] = [op.reads(), op.writes()].map(|ids| names(program, &ids));
    format!("{}({reads} -> {writes})", op.name())
}

fn lists(name: &str, compiled: Compiled, gpu: &Gpu) -> [Lists; 4] {
    let mut model: Model = compiled.build(gpu).unwrap_or_else(|error| panic!("{name}: {error}"));
    PASSES.map(|(_, pass)| {
        let program = model.program();
        let operations = program.ops(pass).iter().map(|op| operation(program, op)).collect();
        let executor = model.gpu().unwrap();
        for pass in [pass, Pass::Update, Pass::Accumulate] {
            minibatch::gpu::block_on(executor.prepare(pass, 4)).unwrap();
        }
        let mut kernels = executor.kernels(pass, 4);
        assert_eq!(kernels.len(), executor.dispatches(pass, 4));
        if pass == Pass::Train {
            // Those of a whole batch; what follows the gradients is counted by itself.
            let after = [Pass::Accumulate, Pass::Update].map(|pass| executor.dispatches(pass, 4));
            kernels.truncate(kernels.len() - after[0] - after[1]);
        }
        let dispatches = kernels.iter().map(|kernel| kernel.name.to_owned()).collect();
        Lists { operations, dispatches }
    })
}

fn all() -> Vec<(String, Compiled)> {
    let trainings = trainings::trainings();
    let named = |training: &trainings::Training| {
        (format!("training_{:03}", training.id()), training.compiled())
    };
    models::models().into_iter().chain(trainings.iter().map(named)).collect()
}

/// Of each model and pass, how many operations and dispatches it has. An update counts with the
/// training step that it completes.
fn parse(record: &str) -> BTreeMap<(String, &'static str), [usize; 2]> {
    let mut counts = BTreeMap::new();
    for line in record.lines() {
        let mut words = line.split_whitespace();
        let model = words.next().unwrap();
        for (pass, _) in PASSES {
            let pair = words.next().unwrap();
            let (operations, dispatches) = pair.split_once('/').unwrap();
            let pair = [operations, dispatches].map(|count| count.parse::<usize>().unwrap());
            let key = (model.to_owned(), if pass == "update" { "train" } else { pass });
            let sum = counts.entry(key).or_insert([0usize; 2]);
            *sum = [sum[0] + pair[0], sum[1] + pair[1]];
        }
    }
    counts
}

#[test]
fn no_model_needs_more_operations_than_recorded() {
    let gpu = Gpu::new().unwrap_or_else(|error| panic!("{error}"));
    let (mut record, mut text) = (String::new(), String::new());
    let mut all_lists = BTreeMap::new();
    for (name, compiled) in all() {
        let lists = lists(&name, compiled, &gpu);
        write!(record, "{name}").unwrap();
        for ((pass, _), Lists { operations, dispatches }) in PASSES.into_iter().zip(&lists) {
            write!(record, " {}/{}", operations.len(), dispatches.len()).unwrap();
            operations.iter().for_each(|op| writeln!(text, "{name} {pass}: {op}").unwrap());
            let dispatches = dispatches.join(" ");
            writeln!(text, "{name} {pass} dispatches: {dispatches}").unwrap();
        }
        record.push('\n');
        for ((pass, _), list) in PASSES.into_iter().zip(lists) {
            let key = (name.clone(), if pass == "update" { "train" } else { pass });
            let lists = all_lists.entry(key).or_insert_with(Lists::default);
            lists.operations.extend(list.operations);
            lists.dispatches.extend(list.dispatches);
        }
    }
    if let Some(path) = std::env::var_os("MINIBATCH_LIST_OPERATIONS") {
        std::fs::write(path, text).unwrap();
    }
    if std::env::var_os("MINIBATCH_RECORD_OPERATIONS").is_some() {
        std::fs::write(RECORD, record).unwrap();
        return;
    }
    let recorded = parse(include_str!("snapshots/operations.txt"));
    let differ = "the models are not those recorded";
    assert!(recorded.keys().eq(all_lists.keys()), "{differ}: record them anew and compare");
    let mut problems = String::new();
    for (key, Lists { operations, dispatches }) in &all_lists {
        let [most_operations, most_dispatches] = recorded[key];
        if operations.len() > most_operations || dispatches.len() > most_dispatches {
            let (model, pass) = key;
            writeln!(
                problems,
                "{model}, {pass}: {} operations, recorded {most_operations}; {} dispatches, \
                 recorded {most_dispatches}:\n  {}\n  dispatches: {}",
                operations.len(),
                dispatches.len(),
                operations.join("\n  "),
                dispatches.join(" "),
            )
            .unwrap();
        }
    }
    assert!(problems.is_empty(), "more than recorded:\n{problems}");
}

/// However the record is written anew, 784-128-10 keeps to its 7 dispatches a step.
#[test]
fn the_classifier_is_recorded_with_seven_dispatches() {
    let recorded = parse(include_str!("snapshots/operations.txt"));
    let [_, dispatches] = recorded[&("classifier".to_owned(), "train")];
    assert!(dispatches <= 7, "{dispatches} dispatches");
}
