//! Whole trainings against numbers of float64 that Keras and PyTorch confirm (tests/golden).

use std::sync::Arc;

use minibatch::cpu::{CpuExecutor, Real};
use minibatch::data::{Batch, Dataset, Features};
use minibatch::model::lower;
use minibatch::program::{Pass, Step};
use minibatch::{Activation, Adam, Cpu, Evaluate, Fit, Gpu, Loss, Metric, Predict, Sequential};
use serde_json::Value;

const CASES: [&str; 2] = [
    include_str!("golden/mlp_ce_adam_keras_eps1e-7.json"),
    include_str!("golden/mlp_ce_adam_keras_eps1e-8.json"),
];

/// Every number in a nest of arrays and objects (kernel before bias), in order.
fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Number(number) => vec![number.as_f64().unwrap()],
        Value::Array(values) => values.iter().flat_map(numbers).collect(),
        Value::Object(fields) => {
            ["kernel", "bias"].iter().flat_map(|name| numbers(&fields[*name])).collect()
        }
        other => panic!("no number: {other}"),
    }
}

struct Golden(Value);

impl Golden {
    fn adam(&self) -> Adam {
        let field = |name: &str| self.0["optimizer"][name].as_f64().unwrap();
        Adam {
            learning_rate: field("lr"),
            beta_1: field("beta_1"),
            beta_2: field("beta_2"),
            epsilon: field("epsilon"),
            ..Adam::default()
        }
    }

    fn compiled(&self) -> minibatch::model::Compiled {
        Sequential::new(7).dense(5, Activation::Relu).dense(3, Activation::Softmax).compile(
            self.adam(),
            Loss::SparseCategoricalCrossentropy,
            [Metric::Accuracy],
        )
    }

    fn data(&self) -> Dataset {
        let x = numbers(&self.0["x"]).into_iter().map(|x| x as f32).collect();
        let y = numbers(&self.0["y"]).into_iter().map(|y| y as u32).collect();
        Dataset::new(Features::F32(Arc::new(x)), &[7], y).unwrap()
    }
}

const PARAMETERS: [&str; 4] = ["dense_1.weight", "dense_1.bias", "dense_2.weight", "dense_2.bias"];

fn assert_close(what: &str, actual: &[f64], expected: &[f64], relative: f64) {
    assert_eq!(actual.len(), expected.len(), "{what}");
    for (a, e) in actual.iter().zip(expected) {
        // Numbers near 0 come from cancellation: there the bound is absolute, at the data's scale.
        let bound = relative * e.abs().max(0.1);
        assert!((a - e).abs() <= bound, "{what}: {a} differs from {e} by {:e}", (a - e).abs());
    }
}

/// Trains as the golden file did, and compares every number that it holds.
fn check<T: Real>(text: &str, relative: f64) {
    let golden = Golden(serde_json::from_str(text).unwrap());
    let (compiled, data) = (golden.compiled(), golden.data());
    let program = Arc::new(lower(&compiled).unwrap());
    let mut cpu = CpuExecutor::<T>::new(Arc::clone(&program));
    let find = |name: &str| program.find(name).unwrap();
    let mut initial = numbers(&golden.0["init"]).into_iter();
    for name in PARAMETERS {
        let buffer = program.buffer(find(name));
        let count = buffer.live_rows(0) * buffer.columns;
        let values: Vec<f64> = initial.by_ref().take(count).collect();
        cpu.write(find(name), &values).unwrap();
    }
    let read = |cpu: &CpuExecutor<T>, suffix: &str| -> Vec<f64> {
        PARAMETERS.iter().flat_map(|name| cpu.read(find(&format!("{name}{suffix}")), 0)).collect()
    };

    let mut epoch = 0;
    let steps = golden.0["steps"].as_array().unwrap();
    for (i, golden_step) in steps.iter().enumerate() {
        let field = |name: &str| golden_step[name].as_u64().unwrap() as u32;
        let indices: Vec<u32> = (field("start")..field("start") + field("size")).collect();
        let batch = Batch { data: &data, indices: &indices };
        let number = i as u64 + 1;
        let optimizer = &compiled.optimizer;
        let step = Step::train(optimizer, indices.len(), number, optimizer.learning_rate());
        cpu.clear_metrics();
        cpu.run(Pass::Train, batch, &step).unwrap();
        let loss = cpu.read_metrics().loss_sum / indices.len() as f64;
        assert_close("loss", &[loss], &numbers(&golden_step["loss"]), relative);
        if i == 0 {
            let gradients = read(&cpu, ".gradient");
            assert_close("gradients", &gradients, &numbers(&golden.0["grads_step1"]), relative);
        }
        let last_of_epoch =
            steps.get(i + 1).is_none_or(|next| next["epoch"] != golden_step["epoch"]);
        if last_of_epoch {
            let expected = numbers(&golden.0["weights_after_epoch"][epoch]);
            assert_close("weights after an epoch", &read(&cpu, ""), &expected, relative);
            epoch += 1;
        }
    }
    assert_close("final weights", &read(&cpu, ""), &numbers(&golden.0["final"]), relative);
    let state = &golden.0["adam_state_final"];
    assert_eq!(state["t"].as_u64().unwrap(), steps.len() as u64);
    assert_close("first moments", &read(&cpu, ".moment_1"), &numbers(&state["m"]), relative);
    assert_close("second moments", &read(&cpu, ".moment_2"), &numbers(&state["v"]), relative);

    let all: Vec<u32> = (0..data.len() as u32).collect();
    let batch = Batch { data: &data, indices: &all };
    cpu.run(Pass::Predict, batch, &Step::forward(all.len())).unwrap();
    let outputs = cpu.read(find("output"), all.len());
    assert_close("outputs", &outputs, &numbers(&golden.0["predict_final"]), relative);
}

#[test]
fn cpu_in_f64_follows_the_golden_files() {
    CASES.iter().for_each(|text| check::<f64>(text, 1e-12));
}

#[test]
fn cpu_in_f32_follows_the_golden_files() {
    CASES.iter().for_each(|text| check::<f32>(text, 1e-5));
}

#[test]
fn epsilon_makes_a_difference_that_the_bounds_see() {
    let weights = |text| numbers(&serde_json::from_str::<Value>(text).unwrap()["final"]);
    let pairs: Vec<(f64, f64)> = weights(CASES[0]).into_iter().zip(weights(CASES[1])).collect();
    assert!(pairs.iter().any(|(a, b)| (a - b).abs() > 1e-6), "the two cases are one");
}

/// The public way: fit, evaluate and predict, on the CPU and on the GPU.
#[test]
fn fit_evaluate_and_predict_follow_the_golden_files() {
    let gpu = Gpu::new().unwrap_or_else(|error| panic!("{error}"));
    for text in CASES {
        let golden = Golden(serde_json::from_str(text).unwrap());
        let data = golden.data();
        for on_gpu in [false, true] {
            let compiled = golden.compiled();
            let mut model =
                if on_gpu { compiled.build(&gpu) } else { compiled.build(&Cpu::new()) }.unwrap();
            let mut initial = numbers(&golden.0["init"]).into_iter().map(|x| x as f32);
            for name in PARAMETERS {
                let count = model.weight(name).unwrap().len();
                let values: Vec<f32> = initial.by_ref().take(count).collect();
                model.set_weight(name, &values).unwrap();
            }
            let fit = Fit::new().batch_size(4).epochs(3).shuffle(minibatch::data::Shuffle::Off);
            let history = model.fit(&data, fit).unwrap();
            let losses: Vec<f64> = history.epochs.iter().map(|e| e.training.loss).collect();
            let accuracies: Vec<f64> =
                history.epochs.iter().filter_map(|e| e.training.accuracy).collect();
            assert_close("epoch losses", &losses, &numbers(&golden.0["epoch_loss"]), 3e-6);
            assert_close("accuracies", &accuracies, &numbers(&golden.0["epoch_accuracy"]), 1e-9);
            let weights: Vec<f64> = PARAMETERS
                .iter()
                .flat_map(|name| model.weight(name).unwrap())
                .map(f64::from)
                .collect();
            for (a, e) in weights.iter().zip(numbers(&golden.0["final"])) {
                assert!((a - e).abs() <= 1e-6, "weight {a}, expected {e}");
            }
            let scores = model.evaluate(&data, Evaluate::new().batch_size(4)).unwrap();
            let expected = numbers(&golden.0["evaluate_final_loss"]);
            assert_close("evaluated loss", &[scores.loss], &expected, 3e-6);
            let outputs: Vec<f64> = model
                .predict(&data, Predict::new().batch_size(3))
                .unwrap()
                .into_iter()
                .map(f64::from)
                .collect();
            assert_close("outputs", &outputs, &numbers(&golden.0["predict_final"]), 1e-5);
        }
    }
}
