//! Whole trainings against numbers of float64 that Keras and PyTorch confirm (tests/golden).

use std::sync::Arc;

use minibatch::cpu::CpuExecutor;
use minibatch::data::{Batch, Dataset, Features, Shuffle, Targets};
use minibatch::model::{Compiled, Dense, Regularizer, lower};
use minibatch::number::Real;
use minibatch::program::{Element, Pass, Role, Step};
use minibatch::training::{Backend, fill};
use minibatch::{
    Activation, Adam, Cpu, EpsilonRule, Evaluate, Fit, Gpu, Loss, Metric, Optimizer, Predict,
    Sequential, Sgd,
};
use serde_json::Value;

macro_rules! cases {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("golden/", $name, ".json")))),*]
    };
}

const CASES: [(&str, &str); 19] = cases![
    "demo_batch3",
    "demo_batch6",
    "demo_mixed_sign_batch6",
    "mlp_bce_sigmoid",
    "mlp_bce_sigmoid_multilabel",
    "mlp_ce_adam_amsgrad_keras",
    "mlp_ce_adam_keras_eps1e-7",
    "mlp_ce_adam_keras_eps1e-8",
    "mlp_ce_adam_torch_eps1e-7",
    "mlp_ce_adam_torch_eps1e-8",
    "mlp_ce_adamw",
    "mlp_ce_class_weight",
    "mlp_ce_l2",
    "mlp_ce_sample_weight",
    "mlp_ce_sgd",
    "mlp_ce_sgd_momentum",
    "mlp_mae",
    "mlp_mse",
    "mlp_mse_sample_weight",
];

fn all() -> impl Iterator<Item = Golden> {
    CASES.iter().map(|(name, text)| Golden { name, file: serde_json::from_str(text).unwrap() })
}

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

struct Golden {
    name: &'static str,
    file: Value,
}

impl Golden {
    fn has(&self, field: &str) -> bool {
        !self.file[field].is_null()
    }

    fn numbers(&self, field: &str) -> Vec<f64> {
        numbers(&self.file[field])
    }

    fn floats(&self, field: &str) -> Vec<f32> {
        self.numbers(field).into_iter().map(|x| x as f32).collect()
    }

    fn layers(&self) -> Vec<usize> {
        self.numbers("layers").into_iter().map(|x| x as usize).collect()
    }

    fn optimizer(&self) -> Optimizer {
        let fields = &self.file["optimizer"];
        let field = |name: &str| fields[name].as_f64();
        let learning_rate = field("lr").unwrap();
        match fields["kind"].as_str().unwrap() {
            "sgd" => {
                let momentum = field("momentum").unwrap_or(0.0);
                Sgd { learning_rate, momentum, ..Sgd::default() }.into()
            }
            "adam" | "adamw" => Adam {
                learning_rate,
                beta_1: field("beta_1").unwrap(),
                beta_2: field("beta_2").unwrap(),
                epsilon: field("epsilon").unwrap(),
                epsilon_rule: match fields["eps_placement"].as_str().unwrap() {
                    "keras" => EpsilonRule::Keras,
                    "torch" => EpsilonRule::PyTorch,
                    other => panic!("{other}"),
                },
                amsgrad: fields["amsgrad"].as_bool().unwrap_or(false),
                weight_decay: field("weight_decay").unwrap_or(0.0),
                ..Adam::default()
            }
            .into(),
            other => panic!("{other}"),
        }
    }

    fn compiled(&self) -> Compiled {
        let layers = self.layers();
        let activations = self.file["activations"].as_array().unwrap();
        let mut network = Sequential::new(layers[0]);
        let regularizer = Regularizer::l2(self.file["l2"].as_f64().unwrap_or(0.0));
        for (&units, activation) in layers[1..].iter().zip(activations) {
            let activation = match activation.as_str().unwrap() {
                "linear" => Activation::Linear,
                "relu" => Activation::Relu,
                "sigmoid" => Activation::Sigmoid,
                "softmax" => Activation::Softmax,
                other => panic!("{other}"),
            };
            network = network.layer(Dense::new(units, activation).weight_regularizer(regularizer));
        }
        let loss = match self.file["loss"].as_str().unwrap() {
            "sparse_categorical_crossentropy" => Loss::SparseCategoricalCrossentropy,
            "binary_crossentropy" => Loss::BINARY_CROSSENTROPY,
            "mae" => Loss::MeanAbsoluteError,
            "mse" => Loss::MeanSquaredError,
            other => panic!("{other}"),
        };
        let metrics = self.has("epoch_accuracy").then_some(Metric::Accuracy);
        network.compile(self.optimizer(), loss, metrics)
    }

    fn data(&self) -> Dataset {
        let targets: Targets = match self.file["loss"].as_str().unwrap() {
            "sparse_categorical_crossentropy" => {
                self.numbers("y").into_iter().map(|y| y as u32).collect::<Vec<_>>().into()
            }
            _ => Targets::values(self.floats("y"), *self.layers().last().unwrap()),
        };
        let features = Features::F32(Arc::new(self.floats("x")));
        let data = Dataset::new(features, &[self.layers()[0]], targets).unwrap();
        if self.has("sample_weight") {
            return data.with_sample_weights(self.floats("sample_weight")).unwrap();
        }
        data
    }

    fn class_weight(&self) -> Vec<(u32, f32)> {
        let weights = self.file["class_weight"].as_object();
        let weight =
            |(class, weight): (&String, &Value)| (class.parse().unwrap(), number(weight) as f32);
        weights.into_iter().flatten().map(weight).collect()
    }

    fn parameters(&self) -> Vec<String> {
        let names = |layer| [format!("dense_{layer}.weight"), format!("dense_{layer}.bias")];
        (1..self.layers().len()).flat_map(names).collect()
    }

    /// Numbers near 0 come from cancellation: there the bound is absolute, at the data's scale.
    fn close(&self, what: &str, actual: &[f64], expected: &[f64], relative: f64) {
        self.within(what, actual, expected, |expected| relative * expected.abs().max(0.1));
    }

    fn close_absolute(&self, what: &str, actual: &[f64], expected: &[f64], bound: f64) {
        self.within(what, actual, expected, |_| bound);
    }

    fn within(&self, what: &str, actual: &[f64], expected: &[f64], bound: impl Fn(f64) -> f64) {
        let name = self.name;
        assert_eq!(actual.len(), expected.len(), "{name}: {what}");
        for (a, e) in actual.iter().zip(expected) {
            let error = (a - e).abs();
            assert!(error <= bound(*e), "{name}: {what}: {a} differs from {e} by {error:e}");
        }
    }
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

/// Trains as the golden file did, and compares every number that it holds.
fn check<T: Real>(golden: &Golden, relative: f64) {
    let compiled = golden.compiled();
    let data = match golden.class_weight().as_slice() {
        [] => golden.data(),
        weights => golden.data().with_class_weights(weights).unwrap(),
    };
    let program = Arc::new(lower(&compiled).unwrap());
    let mut cpu = CpuExecutor::<T>::new(Arc::clone(&program));
    let find = |name: &str| program.find(name).unwrap();
    let parameters = golden.parameters();
    let mut initial = golden.numbers("init").into_iter();
    for name in &parameters {
        let buffer = program.buffer(find(name));
        let count = buffer.live_rows(0) * buffer.columns;
        let values: Vec<f64> = initial.by_ref().take(count).collect();
        cpu.write(find(name), &values).unwrap();
    }
    let read = |cpu: &CpuExecutor<T>, suffix: &str| -> Vec<f64> {
        parameters.iter().flat_map(|name| cpu.read(find(&format!("{name}{suffix}")), 0)).collect()
    };

    let mut epoch = 0;
    let steps = golden.file["steps"].as_array().unwrap();
    for (i, golden_step) in steps.iter().enumerate() {
        let field = |name: &str| golden_step[name].as_u64().unwrap() as u32;
        let indices: Vec<u32> = (field("start")..field("start") + field("size")).collect();
        let batch = Batch { data: &data, indices: &indices };
        let optimizer = &compiled.optimizer;
        let step = optimizer.step(indices.len(), i as u64 + 1, optimizer.learning_rate());
        cpu.clear_metrics();
        let mut feed = cpu.feed(batch.len()).unwrap();
        fill(&mut feed, &program, Pass::Train, batch).unwrap();
        cpu.run(Pass::Train, feed, &step).unwrap();
        let metrics = cpu.read_metrics();
        let sums = program.of_role(Role::Metric).filter(|(_, sum)| sum.element == Element::Real);
        let loss = sums.map(|(id, _)| metrics.sum(id)).sum::<f64>() / indices.len() as f64;
        golden.close("loss", &[loss], &numbers(&golden_step["loss"]), relative);
        if i == 0 {
            let gradients = read(&cpu, ".gradient");
            golden.close("gradients", &gradients, &golden.numbers("grads_step1"), relative);
        }
        let last_of_epoch =
            steps.get(i + 1).is_none_or(|next| next["epoch"] != golden_step["epoch"]);
        if last_of_epoch {
            let expected = numbers(&golden.file["weights_after_epoch"][epoch]);
            golden.close("weights after an epoch", &read(&cpu, ""), &expected, relative);
            epoch += 1;
        }
    }
    golden.close("final weights", &read(&cpu, ""), &golden.numbers("final"), relative);
    if golden.has("adam_state_final") {
        let state = &golden.file["adam_state_final"];
        assert_eq!(state["t"].as_u64().unwrap(), steps.len() as u64);
        golden.close("first moments", &read(&cpu, ".moment_1"), &numbers(&state["m"]), relative);
        golden.close("second moments", &read(&cpu, ".moment_2"), &numbers(&state["v"]), relative);
    }
    if golden.has("momentum_state_final") {
        let expected = golden.numbers("momentum_state_final");
        golden.close("velocities", &read(&cpu, ".velocity"), &expected, relative);
    }

    let all: Vec<u32> = (0..data.len() as u32).collect();
    let batch = Batch { data: &data, indices: &all };
    let mut feed = cpu.feed(batch.len()).unwrap();
    fill(&mut feed, &program, Pass::Predict, batch).unwrap();
    cpu.run(Pass::Predict, feed, &Step::forward(all.len())).unwrap();
    let outputs = cpu.read(program.outputs()[0].1, all.len());
    golden.close("outputs", &outputs, &golden.numbers("predict_final"), relative);
}

#[test]
fn cpu_in_f64_follows_the_golden_files() {
    all().for_each(|golden| check::<f64>(&golden, 1e-12));
}

#[test]
fn cpu_in_f32_follows_the_golden_files() {
    all().for_each(|golden| check::<f32>(&golden, 1e-5));
}

/// Each of the four ways to use epsilon ends elsewhere, by more than the bounds allow.
#[test]
fn epsilon_and_its_place_make_differences_that_the_bounds_see() {
    let moments: Vec<Golden> = all().filter(|golden| golden.name.contains("_eps1e-")).collect();
    assert_eq!(moments.len(), 4);
    for (i, a) in moments.iter().enumerate() {
        for b in &moments[..i] {
            let pairs = a.numbers("final").into_iter().zip(b.numbers("final"));
            let largest = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(largest > 1e-11, "{} and {} are one: {largest:e}", a.name, b.name);
        }
    }
}

/// The public way: fit, evaluate and predict, on the CPU and on the GPU.
#[test]
fn fit_evaluate_and_predict_follow_the_golden_files() {
    let gpu = Gpu::new().unwrap_or_else(|error| panic!("{error}"));
    for golden in all() {
        let data = golden.data();
        for backend in [Backend::from(&Cpu::new()), Backend::from(&gpu)] {
            let mut model = golden.compiled().build(backend).unwrap();
            let mut initial = golden.floats("init").into_iter();
            for name in golden.parameters() {
                let count = model.weight(&name).unwrap().len();
                let values: Vec<f32> = initial.by_ref().take(count).collect();
                model.set_weight(&name, &values).unwrap();
            }
            let size = number(&golden.file["batch_size"]) as usize;
            let epochs = number(&golden.file["epochs"]) as u32;
            let fit = Fit::new()
                .batch_size(size)
                .epochs(epochs)
                .shuffle(Shuffle::Off)
                .class_weight(golden.class_weight());
            let history = model.fit(&data, fit).unwrap();
            let losses: Vec<f64> = history.epochs.iter().map(|e| e.training.loss).collect();
            let expected = golden.numbers("epoch_loss");
            golden.close_absolute("epoch losses", &losses, &expected, 3e-6);
            if golden.has("epoch_accuracy") {
                let accuracies: Vec<f64> =
                    history.epochs.iter().filter_map(|e| e.training.accuracy()).collect();
                let expected = golden.numbers("epoch_accuracy");
                golden.close_absolute("accuracies", &accuracies, &expected, 1e-9);
            }
            let mut weights = Vec::new();
            for name in golden.parameters() {
                weights.extend(model.weight(&name).unwrap().into_iter().map(f64::from));
            }
            golden.close_absolute("final weights", &weights, &golden.numbers("final"), 1e-6);
            let scores = model.evaluate(&data, Evaluate::new().batch_size(size)).unwrap();
            let expected = golden.numbers("evaluate_final_loss");
            golden.close_absolute("evaluated loss", &[scores.loss], &expected, 3e-6);
            let outputs: Vec<f64> = model
                .predict(&data, Predict::new().batch_size(3))
                .unwrap()
                .into_iter()
                .map(f64::from)
                .collect();
            golden.close_absolute("outputs", &outputs, &golden.numbers("predict_final"), 3e-6);
        }
    }
}
