//! What is derived from a model's forward way: gradients of shared layers and of values with several
//! uses, what is left out, and fused programs against unfused ones.

#[path = "support/models.rs"]
mod models;

use std::sync::Arc;

use minibatch::data::{Dataset, Features, SparseMatrix, SparseRows, Targets};
use minibatch::model::{
    Compiled, Dense, Dropout, Functional, InputType, Objective, Regularizer, lower,
};
use minibatch::program::{Pass, Role};
use minibatch::random::{Random, Stream};
use minibatch::training::Backend;
use minibatch::{Activation, Adam, Cpu, Fit, Loss, Model, Sgd};

const ROWS: usize = 9;
const MSE: Loss = Loss::MeanSquaredError;

/// Samples and targets for any model; each sample counts differently.
fn data(compiled: &Compiled) -> Dataset {
    let mut random = Random::new(5, Stream::Parity);
    let mut inputs: Vec<(&str, Features, &[usize])> = Vec::new();
    for (name, input) in compiled.architecture.inputs() {
        let count = ROWS * input.shape.iter().product::<usize>();
        let features = match input.values {
            InputType::U8 { .. } => {
                Features::U8(Arc::new((0..count).map(|_| random.below(256) as u8).collect()))
            }
            InputType::F32 => {
                let value = |_| random.uniform() as f32 - 0.5;
                Features::F32(Arc::new((0..count).map(value).collect()))
            }
            InputType::Sparse { most } => {
                let width = input.shape.iter().product::<usize>();
                let mut rows = SparseRows::default();
                for sample in 0..ROWS {
                    let first = sample % width;
                    let columns: Vec<u32> = (first..width).take(most).map(|c| c as u32).collect();
                    let values: Vec<f32> =
                        columns.iter().map(|_| random.uniform() as f32 - 0.5).collect();
                    rows.push(&columns, &values).unwrap();
                }
                Features::Sparse(SparseMatrix::new(width, rows).unwrap())
            }
        };
        inputs.push((name, features, &input.shape));
    }
    let mut targets: Vec<(&str, Targets)> = Vec::new();
    for (name, objective) in &compiled.objectives {
        let width = compiled.architecture.width_of(name).unwrap();
        let values = match objective.loss {
            Loss::SparseCategoricalCrossentropy => {
                (0..ROWS).map(|i| (i * 7 % width) as u32).collect::<Vec<_>>().into()
            }
            _ => {
                let values = (0..ROWS * width).map(|_| random.uniform() as f32);
                Targets::values(values.collect(), width)
            }
        };
        targets.push((name, values));
    }
    let weights = (0..ROWS).map(|i| 0.25 + 0.25 * i as f32).collect();
    Dataset::named(inputs, targets).and_then(|data| data.with_sample_weights(weights)).unwrap()
}

/// A model in f64 after one step, and the loss of that step.
fn stepped(compiled: Compiled) -> (Model, f64) {
    let data = data(&compiled);
    let mut model = compiled.build(Backend::CpuInF64).unwrap();
    let history = model.fit(&data, Fit::new().batch_size(ROWS)).unwrap();
    (model, history.epochs[0].training.loss)
}

fn gradients(model: &mut Model) -> Vec<(String, Vec<f64>)> {
    let gradients = model.program().of_role(Role::ParameterGradient);
    let names: Vec<String> = gradients.map(|(_, gradient)| gradient.name.clone()).collect();
    names
        .into_iter()
        .map(|name| {
            let values = model.read_exactly(&name).unwrap();
            (name, values)
        })
        .collect()
}

#[test]
fn fused_and_unfused_programs_have_the_same_gradients() {
    let mut shorter = 0;
    for (name, compiled) in models::models() {
        let lists = [true, false].map(|fusion| lower(&compiled.clone().fusion(fusion)).unwrap());
        let [fused, unfused] = lists.map(|program| program.ops(Pass::Train).len());
        assert!(fused <= unfused, "{name}: {fused} operations fused, {unfused} unfused");
        shorter += usize::from(fused < unfused);
        let (mut fused, loss) = stepped(compiled.clone());
        let (mut unfused, expected_loss) = stepped(compiled.fusion(false));
        // Sums of a few dozen terms of f64, at most in another order.
        let close = |a: f64, b: f64, most: f64| (a - b).abs() <= 1e-12 * most.max(1e-3);
        assert!(close(loss, expected_loss, expected_loss.abs()), "{name}: {loss} {expected_loss}");
        let gradients = gradients(&mut fused).into_iter().zip(gradients(&mut unfused));
        for ((parameter, actual), (same, expected)) in gradients {
            assert_eq!(parameter, same);
            let most = expected.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
            for (&a, &b) in actual.iter().zip(&expected) {
                assert!(close(a, b, most), "{name}, {parameter}: {a} fused, {b} unfused");
            }
        }
    }
    assert!(shorter > 100, "fusion shortened {shorter} programs only");
}

#[test]
fn values_that_share_memory_give_the_same_bits() {
    for (name, compiled) in models::models() {
        // Values for each sample that there is memory for.
        let values = |compiled: &Compiled| -> usize {
            let program = lower(compiled).unwrap();
            program.of_role(Role::Activation).map(|(_, buffer)| buffer.stride()).sum()
        };
        let reusing = compiled.clone().reuse_memory(true);
        let [apart, shared] = [values(&compiled), values(&reusing)];
        assert!(shared <= apart, "{name}: {shared} values shared, {apart} apart");
        if name == "deep" {
            // Five hidden layers of 8 and one of 3, rounded up to 4, with their gradients, and the
            // predictions. Each hidden gradient but the last takes the memory of a later value.
            assert_eq!([apart, shared], [2 * (5 * 8 + 4) + 4, 5 * 8 + 2 * 4 + 8 + 4]);
        }
        let (mut apart, loss) = stepped(compiled);
        let (mut shared, same_loss) = stepped(reusing);
        assert_eq!(loss.to_bits(), same_loss.to_bits(), "{name}");
        assert_eq!(gradients(&mut apart), gradients(&mut shared), "{name}");
        assert_eq!(apart.weights().unwrap(), shared.weights().unwrap(), "{name}");
    }
}

/// A model with a dead end: a layer with a penalty that leads to no output, its weights drawn after
/// those of one layer and before those of another.
fn with_dead_end(dead_end: bool) -> Compiled {
    let mut model = Functional::new();
    let x = model.input("x", 4);
    let hidden = model.named("hidden", x, Dense::new(5, Activation::Tanh));
    let costly = Dense::new(6, Activation::Relu)
        .weight_regularizer(Regularizer::l2(0.5))
        .activity_regularizer(Regularizer::l1(0.5));
    let dead = model.named("dead", hidden, costly);
    let dropped = model.layer(if dead_end { hidden } else { dead }, Dropout { rate: 0.25 });
    let last = model.named("last", dropped, Dense::new(2, Activation::Linear));
    model.output("y", last);
    model.compile(Adam { weight_decay: 0.1, ..Adam::default() }, [("y", Objective::new(MSE))])
}

#[test]
fn a_layer_that_leads_to_no_output_is_left_out() {
    let compiled = with_dead_end(true);
    let summary = compiled.architecture.summary();
    assert!(summary.contains("Left out, as no output needs them: dead\n"), "{summary}");
    // 4 x 5 + 5 of the hidden layer, 5 x 2 + 2 of the last one.
    assert!(summary.contains("Total params: 37 "), "{summary}");
    let program = lower(&compiled).unwrap();
    let dead = program.buffers().find(|(_, buffer)| buffer.name.contains("dead"));
    assert!(dead.is_none(), "{dead:?}");
    let metrics: Vec<&str> =
        program.of_role(Role::Metric).map(|(_, buffer)| buffer.name.as_str()).collect();
    assert_eq!(metrics, ["metrics.y.loss", "metrics.y.counts"]);
    let (mut model, _) = stepped(compiled);
    let names: Vec<String> = model.weights().unwrap().into_iter().map(|(name, ..)| name).collect();
    assert_eq!(names, ["hidden.weight", "hidden.bias", "last.weight", "last.bias"]);
}

#[test]
fn weights_are_drawn_as_if_the_layers_that_are_left_out_were_there() {
    let begin = |dead_end: bool, name: &str| {
        let mut model = with_dead_end(dead_end).build(&Cpu::new()).unwrap();
        model.weight(name).unwrap()
    };
    let (without, with) = (begin(true, "last.weight"), begin(false, "last.weight"));
    assert_eq!(begin(true, "hidden.weight"), begin(false, "hidden.weight"));
    // The last weight is [5, 2] without the layer and [6, 2] behind it, from the same random
    // numbers: uniform within sqrt(6 / (inputs + 2)).
    for (without, with) in without.iter().zip(with) {
        let (a, b) = (f64::from(*without) * 7f64.sqrt(), f64::from(with) * 8f64.sqrt());
        assert!((a - b).abs() < 1e-6, "{a} {b}");
    }
}

#[test]
fn a_layer_in_two_places_has_one_weight() {
    let mut model = Functional::new();
    let [a, b] = ["a", "b"].map(|name| model.input(name, 3));
    let first = model.named("twin", a, Dense::new(4, Activation::Relu));
    let second = model.again(first, b);
    let both = model.concatenate([first, second]);
    let last = model.dense(both, 1, Activation::Linear);
    model.output("y", last);
    let compiled = model.compile(Sgd::new(0.1), [("y", Objective::new(MSE))]);
    // 3 x 4 + 4 of the twin, 8 + 1 of the last layer.
    let summary = compiled.architecture.summary();
    assert!(summary.contains("Total params: 25 "), "{summary}");
    let (mut trained, _) = stepped(compiled.clone());
    let names: Vec<String> =
        trained.weights().unwrap().into_iter().map(|(name, ..)| name).collect();
    assert_eq!(names, ["twin.weight", "twin.bias", "dense_1.weight", "dense_1.bias"]);
    // The file names the shared layer, and reading it gives the same model.
    let text = serde_json::to_string(&compiled).unwrap();
    assert_eq!(serde_json::from_str::<Compiled>(&text).unwrap(), compiled);
}

#[test]
fn a_layer_that_is_used_again_takes_inputs_of_the_same_width() {
    let mut model = Functional::new();
    let a = model.input("a", 3);
    let b = model.input("b", 2);
    let first = model.named("twin", a, Dense::new(4, Activation::Relu));
    let second = model.again(first, b);
    model.output("y", second);
    let compiled = model.compile(Sgd::new(0.1), [("y", Objective::new(MSE))]);
    let error = lower(&compiled).unwrap_err().to_string();
    assert!(error.contains("twin.weight where it is used again"), "{error}");
}
