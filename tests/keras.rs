//! Whole trainings against Keras 3.15.1 in float64 (tests/keras, by its generate.py).
//!
//! Keras' names of what is reported are sorted and ours come in the order of compile, so they are
//! compared as maps.

use std::collections::BTreeMap;
use std::sync::Arc;

use approx::abs_diff_eq;
use minibatch::cpu::CpuExecutor;
use minibatch::data::{Batch, Dataset, Features, Shuffle, Targets};
use minibatch::metric::{auc, precision, recall};
use minibatch::model::{
    BatchNormalization, Compiled, Dense, LayerNormalization, Normalization, Objective, Regularizer,
    lower,
};
use minibatch::program::{Metrics, Pass, Program, Step};
use minibatch::schedule::{
    CosineDecay, ExponentialDecay, OneCycle, PiecewiseConstantDecay, PolynomialDecay,
};
use minibatch::training::{Backend, Scores, fill};
use minibatch::{
    Activation, Adam, Clip, Cpu, Evaluate, Fit, Functional, Gpu, Loss, Metric, Model, Optimizer,
    Predict, Schedule, Sequential, Sgd,
};
use serde_json::Value;

macro_rules! cases {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("keras/", $name, ".json")))),*]
    };
}

const TRAININGS: [(&str, &str); 19] = cases![
    "activity_regularizer",
    "batch_normalization",
    "batch_normalization_frozen",
    "gradient_accumulation_adam",
    "gradient_accumulation_schedule",
    "gradient_accumulation_sgd",
    "layer_normalization",
    "metrics_binary_1",
    "metrics_binary_2",
    "metrics_crossentropy_binary",
    "metrics_crossentropy_classes",
    "metrics_crossentropy_mse",
    "metrics_crossentropy_one_hot",
    "metrics_four_classes",
    "normalization",
    "softmax_hidden",
    "softmax_mse",
    "two_inputs_two_outputs",
    "two_inputs_two_outputs_weight_each",
];

const SCHEDULES: &str = include_str!("keras/schedules.json");

fn all() -> impl Iterator<Item = Keras> {
    TRAININGS.iter().map(Keras::new)
}

/// Values under names: scores, or the values of parameters.
type Named<T> = BTreeMap<String, T>;

/// One reference file.
struct Keras {
    name: &'static str,
    file: Value,
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

/// Every number in a nest of arrays, in order.
fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().flat_map(numbers).collect(),
        value => vec![number(value)],
    }
}

fn floats(value: &Value) -> Vec<f32> {
    numbers(value).into_iter().map(|x| x as f32).collect()
}

/// Values of one sample.
fn width(rows: &Value) -> usize {
    rows[0].as_array().map_or(1, Vec::len)
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().unwrap().iter()
}

impl Keras {
    fn new(&(name, text): &(&'static str, &str)) -> Self {
        Keras { name, file: serde_json::from_str(text).unwrap() }
    }

    fn is(&self, name: &str) -> bool {
        self.name.starts_with(name)
    }

    fn optimizer(&self) -> Optimizer {
        let fields = &self.file["fit"]["optimizer"];
        let field = |name: &str| fields[name].as_f64();
        // A schedule takes the place of the rate.
        let learning_rate = field("learning_rate").unwrap_or(1.0);
        let clip = field("clipnorm").map_or(Clip::None, Clip::Norm);
        match fields["name"].as_str().unwrap() {
            "SGD" => {
                let momentum = field("momentum").unwrap_or(0.0);
                Sgd { learning_rate, momentum, clip, ..Sgd::default() }.into()
            }
            "Adam" => {
                let epsilon = field("epsilon").unwrap();
                Adam { learning_rate, epsilon, clip, ..Adam::default() }.into()
            }
            other => panic!("{other}"),
        }
    }

    /// The metrics of an output, plain and weighted.
    fn metrics(&self, output: &str) -> [Vec<Metric>; 2] {
        let binary = [
            Metric::Accuracy,
            Metric::BinaryAccuracy { threshold: 0.4 },
            Metric::PRECISION,
            Metric::RECALL,
            Metric::AUC,
            Metric::MeanSquaredError,
            Metric::MeanAbsoluteError,
        ];
        let top_2 = Metric::TopKCategoricalAccuracy { k: 2 };
        let own = match self.name {
            "activity_regularizer" => return [vec![Metric::MeanSquaredError], vec![]],
            "metrics_binary_1" => binary.to_vec(),
            // Keras takes the accuracy of two sigmoids for that of the larger one; ours is the
            // share of right answers, its BinaryAccuracy.
            "metrics_binary_2" => binary[1..].to_vec(),
            "metrics_crossentropy_binary" => vec![
                Metric::Crossentropy,
                Metric::BINARY_CROSSENTROPY,
                Metric::BinaryCrossentropy { label_smoothing: 0.25 },
            ],
            "metrics_crossentropy_classes" => {
                vec![Metric::Crossentropy, Metric::SparseCategoricalCrossentropy]
            }
            _ if self.is("metrics_crossentropy") => vec![
                Metric::Crossentropy,
                Metric::CATEGORICAL_CROSSENTROPY,
                Metric::CategoricalCrossentropy { label_smoothing: 0.25 },
            ],
            "metrics_four_classes" => vec![Metric::Accuracy, top_2],
            _ if self.is("two_inputs") && output == "digit" => vec![Metric::Accuracy],
            _ if self.is("two_inputs") => vec![Metric::MeanAbsoluteError],
            _ => vec![],
        };
        let weighted = self.is("metrics") || self.name.ends_with("weight_each");
        [own.clone(), if weighted { own } else { vec![] }]
    }

    fn objective(&self, output: &str, loss: &Value) -> Objective {
        let loss = match loss.as_str().unwrap() {
            "sparse_categorical_crossentropy" => Loss::SparseCategoricalCrossentropy,
            "binary_crossentropy" => Loss::BINARY_CROSSENTROPY,
            "categorical_crossentropy" => Loss::CATEGORICAL_CROSSENTROPY,
            "mse" => Loss::MeanSquaredError,
            other => panic!("{other}"),
        };
        let [metrics, weighted] = self.metrics(output);
        let loss_weight = self.file["fit"]["loss_weights"][output].as_f64().unwrap_or(1.0);
        Objective::new(loss).loss_weight(loss_weight).metrics(metrics).weighted_metrics(weighted)
    }

    fn architecture(&self) -> Functional {
        use Activation::{Linear, Relu, Sigmoid, Softmax, Tanh};
        if self.is("two_inputs") {
            return two_inputs_two_outputs();
        }
        let network = Sequential::new(width(&self.file["x"]["input"]));
        let normalization = BatchNormalization::new().momentum(0.9).epsilon(1e-3);
        let network = match self.name {
            "activity_regularizer" => {
                let regularizer = Regularizer::l1_l2(0.01, 0.02);
                let dense = Dense::new(6, Tanh).activity_regularizer(regularizer);
                network.layer(dense).dense(2, Linear)
            }
            "batch_normalization" => network.dense(5, Tanh).layer(normalization).dense(3, Softmax),
            "batch_normalization_frozen" => {
                network.dense(5, Tanh).layer(normalization.frozen()).dense(3, Softmax)
            }
            "layer_normalization" => {
                network.dense(5, Relu).layer(LayerNormalization::new()).dense(2, Linear)
            }
            "metrics_binary_1" => network.dense(1, Sigmoid),
            "metrics_binary_2" => network.dense(2, Sigmoid),
            "metrics_crossentropy_binary" => network.dense(2, Sigmoid),
            "metrics_four_classes" => network.dense(4, Softmax),
            _ if self.is("metrics_crossentropy") => network.dense(4, Softmax),
            "normalization" => network.layer(self.normalization()).dense(2, Linear),
            "softmax_hidden" => network.dense(5, Softmax).dense(4, Linear),
            "softmax_mse" => network.dense(5, Tanh).dense(4, Softmax),
            _ if self.is("gradient_accumulation") => network.dense(4, Tanh).dense(2, Linear),
            other => panic!("{other}"),
        };
        network.into()
    }

    fn normalization(&self) -> Normalization {
        let rows = &self.file["adapt"];
        let features = Features::F32(Arc::new(floats(rows)));
        let data = Dataset::unlabelled(features, &[width(rows)]).unwrap();
        Normalization::adapt(&data).unwrap()
    }

    fn compiled(&self) -> Compiled {
        let fit = &self.file["fit"];
        let objectives: Vec<(String, Objective)> = match &fit["loss"] {
            Value::Object(losses) => losses
                .iter()
                .map(|(output, loss)| (output.clone(), self.objective(output, loss)))
                .collect(),
            loss => vec![("output".into(), self.objective("output", loss))],
        };
        let compiled = self.architecture().compile(self.optimizer(), objectives);
        let compiled = match fit["optimizer"]["gradient_accumulation_steps"].as_u64() {
            Some(steps) => compiled.gradient_accumulation_steps(steps as usize),
            None => compiled,
        };
        match fit["optimizer"]["learning_rate"].is_object() {
            true => compiled.schedule(schedule(&fit["optimizer"]["learning_rate"])),
            false => compiled,
        }
    }

    fn data(&self) -> Dataset {
        let inputs: Vec<(&str, Features, [usize; 1])> = entries(&self.file["x"])
            .map(|(name, rows)| {
                (name.as_str(), Features::F32(Arc::new(floats(rows))), [width(rows)])
            })
            .collect();
        let targets = entries(&self.file["y"]).map(|(name, rows)| {
            let classes = rows[0].is_u64();
            let targets = match classes {
                true => numbers(rows).into_iter().map(|y| y as u32).collect::<Vec<_>>().into(),
                false => Targets::values(floats(rows), width(rows)),
            };
            (name.as_str(), targets)
        });
        let inputs =
            inputs.iter().map(|(name, features, shape)| (*name, features.clone(), &shape[..]));
        Dataset::named(inputs, targets).unwrap()
    }

    /// The data with the sample weights, if there are some: of each target or of all.
    fn weighted_data(&self) -> Dataset {
        let data = self.data();
        match &self.file["sample_weight"] {
            Value::Null => data,
            Value::Object(weights) => weights.iter().fold(data, |data, (target, weights)| {
                data.with_target_weights(target, floats(weights)).unwrap()
            }),
            weights => data.with_sample_weights(floats(weights)).unwrap(),
        }
    }

    fn batch_size(&self) -> usize {
        self.file["fit"]["batch_size"].as_u64().unwrap() as usize
    }

    fn epochs(&self) -> usize {
        self.file["fit"]["epochs"].as_u64().unwrap() as usize
    }

    /// `initial` or `final`: values by name.
    fn weights(&self, field: &str) -> Named<Vec<f64>> {
        let values = |(name, weight): (&String, &Value)| (name.clone(), numbers(&weight["values"]));
        entries(&self.file[field]).map(values).collect()
    }

    /// What Keras reports, under our names.
    fn scores(&self, values: &Value, epoch: Option<usize>) -> Named<f64> {
        let at = |value: &Value| number(epoch.map_or(value, |epoch| &value[epoch]));
        let named = entries(values)
            .map(|(name, value)| (name.replace("top_2", "top_k_categorical_accuracy"), at(value)));
        let dropped = |name: &str| {
            self.name == "metrics_binary_2" && ["accuracy", "weighted_accuracy"].contains(&name)
        };
        named.filter(|(name, _)| !dropped(name)).collect()
    }

    fn history(&self) -> Vec<Named<f64>> {
        (0..self.epochs()).map(|epoch| self.scores(&self.file["history"], Some(epoch))).collect()
    }

    fn predictions(&self) -> Named<Vec<f64>> {
        let values = |(name, rows): (&String, &Value)| (name.clone(), numbers(rows));
        entries(&self.file["predict"]).map(values).collect()
    }

    fn close(&self, what: &str, actual: &[f64], expected: &[f64], bound: impl Fn(usize) -> f64) {
        let name = self.name;
        assert_eq!(actual.len(), expected.len(), "{name}: {what}");
        for (i, (a, e)) in actual.iter().zip(expected).enumerate() {
            let error = (a - e).abs();
            let bound = bound(i);
            assert!(
                error <= bound,
                "{name}: {what}: {a} differs from {e} by {error:e}, more than {bound:e}"
            );
        }
    }

    /// What is counted must be exact in f32 too: the weights are multiples of 1/256.
    fn close_scores(
        &self,
        what: &str,
        actual: &Named<f64>,
        expected: &Named<f64>,
        bound: impl Fn(f64) -> f64,
    ) {
        assert!(actual.keys().eq(expected.keys()), "{}: {what}: {actual:?}", self.name);
        for (name, &value) in expected {
            let of_means = ["loss", "mse", "mae", "crossentropy", "crossentropy_1"];
            let counted = !of_means.iter().any(|mean| name.ends_with(mean));
            let bound = if counted { 1e-14 } else { bound(value) };
            self.close(&format!("{what}, {name}"), &[actual[name]], &[value], |_| bound);
        }
    }
}

/// Numbers near 0 come from cancellation: there the bound is absolute, at the data's scale.
fn exact(expected: f64) -> f64 {
    1e-12 * expected.abs().max(0.1)
}

fn two_inputs_two_outputs() -> Functional {
    use Activation::{Linear, Relu, Softmax, Tanh};
    let mut model = Functional::new();
    let a = model.input("a", 5);
    let b = model.input("b", 3);
    let from_a = model.dense(a, 4, Tanh);
    let from_b = model.dense(b, 4, Tanh);
    let joined = model.concatenate([from_a, from_b]);
    let trunk = model.named("trunk", joined, Dense::new(6, Relu));
    let left = model.dense(trunk, 4, Tanh);
    let right = model.dense(b, 4, Linear);
    let summed = model.add([left, right]);
    let digit = model.named("digit", trunk, Dense::new(3, Softmax));
    let size = model.named("size", summed, Dense::new(1, Linear));
    model.output("digit", digit);
    model.output("size", size);
    model
}

fn schedule(fields: &Value) -> Schedule {
    let field = |name: &str| number(&fields[name]);
    let count = |name: &str| fields[name].as_u64().unwrap();
    let yes = |name: &str| fields[name].as_bool().unwrap();
    let given = |name: &str, default: f64| fields[name].as_f64().unwrap_or(default);
    match fields["schedule"].as_str().unwrap() {
        "ExponentialDecay" => ExponentialDecay {
            initial_learning_rate: field("initial_learning_rate"),
            decay_steps: count("decay_steps"),
            decay_rate: field("decay_rate"),
            staircase: yes("staircase"),
        }
        .into(),
        "CosineDecay" => CosineDecay {
            initial_learning_rate: field("initial_learning_rate"),
            decay_steps: count("decay_steps"),
            alpha: field("alpha"),
            warmup_target: fields["warmup_target"].as_f64(),
            warmup_steps: count("warmup_steps"),
        }
        .into(),
        "PiecewiseConstantDecay" => {
            let boundaries: Vec<u64> =
                numbers(&fields["boundaries"]).into_iter().map(|step| step as u64).collect();
            PiecewiseConstantDecay::new(boundaries, numbers(&fields["values"])).into()
        }
        "PolynomialDecay" => PolynomialDecay {
            initial_learning_rate: field("initial_learning_rate"),
            decay_steps: count("decay_steps"),
            end_learning_rate: field("end_learning_rate"),
            power: field("power"),
            cycle: yes("cycle"),
        }
        .into(),
        "OneCycle" => {
            let cycle = OneCycle::new(field("max_learning_rate"), count("total_steps"));
            OneCycle {
                pct_start: given("pct_start", cycle.pct_start),
                div_factor: given("div_factor", cycle.div_factor),
                final_div_factor: given("final_div_factor", cycle.final_div_factor),
                ..cycle
            }
            .into()
        }
        other => panic!("{other}"),
    }
}

#[test]
fn schedules_are_those_of_keras() {
    let file: Value = serde_json::from_str(SCHEDULES).unwrap();
    let schedules = file["schedules"].as_array().unwrap();
    assert_eq!(schedules.len(), 15);
    for fields in schedules {
        let schedule = schedule(fields);
        schedule.check().unwrap();
        let rates = numbers(&fields["rates"]);
        assert!(rates.len() >= 20);
        for (step, &rate) in (0..).zip(&rates) {
            let actual = schedule.at(step);
            assert!(
                abs_diff_eq!(actual, rate, epsilon = 1e-15),
                "{schedule:?} is {actual:e} at step {step}, not {rate:e}"
            );
        }
    }
}

/// The model in f64, driven batch by batch.
struct Oracle {
    compiled: Compiled,
    program: Arc<Program>,
    cpu: CpuExecutor<f64>,
    steps: u64,
}

impl Oracle {
    fn new(keras: &Keras) -> Self {
        let compiled = keras.compiled();
        let program = Arc::new(lower(&compiled).unwrap());
        let mut cpu = CpuExecutor::new(Arc::clone(&program));
        let mut initial = keras.weights("initial");
        // A variance of 0 counts as 1e-14, the square of the least deviation.
        if let Some(variance) = initial.get_mut("normalization_1.variance") {
            variance.iter_mut().for_each(|variance| *variance = variance.max(1e-14));
        }
        for (name, values) in &initial {
            cpu.write(program.find(name).unwrap(), values).unwrap();
        }
        Oracle { compiled, program, cpu, steps: 0 }
    }

    fn read(&self, name: &str) -> Vec<f64> {
        self.cpu.read(self.program.find(name).unwrap(), 0)
    }

    fn run(&mut self, pass: Pass, data: &Dataset, indices: &[u32]) {
        let outputs: Vec<&str> =
            self.compiled.objectives.iter().map(|(name, _)| name.as_str()).collect();
        let inputs: Vec<&str> = self.compiled.architecture.inputs().map(|(name, _)| name).collect();
        let data = data.arranged(&inputs, &outputs).unwrap();
        let rows = indices.len();
        let step = match pass {
            Pass::Train => self.next_step(rows),
            _ => Step::forward(rows),
        };
        let mut feed = self.cpu.feed(rows).unwrap();
        fill(&mut feed, &self.program, pass, Batch { data: &data, indices }).unwrap();
        self.cpu.run(pass, feed, &step).unwrap();
    }

    fn next_step(&mut self, rows: usize) -> Step {
        let Compiled { optimizer, schedule, gradient_accumulation_steps, .. } = &self.compiled;
        let rate = match schedule {
            Some(schedule) => schedule.at(self.steps),
            None => optimizer.learning_rate(),
        };
        self.steps += 1;
        optimizer.accumulating_step(rows, self.steps, rate, *gradient_accumulation_steps)
    }

    /// The scores that Keras has, under its names, of what was added up since the last call.
    fn take_scores(&mut self, expected: &Named<f64>, rows: usize) -> Named<f64> {
        let metrics = self.cpu.read_metrics();
        self.cpu.clear_metrics();
        expected.keys().map(|name| (name.clone(), self.score(name, &metrics, rows))).collect()
    }

    fn score(&self, name: &str, metrics: &Metrics, rows: usize) -> f64 {
        let objectives = &self.compiled.objectives;
        let sums = |name: &str| self.program.find(name).map(|id| metrics.sums(id));
        let mean = |name: String| sums(&name).map_or(0.0, |sums| sums[0]) / rows as f64;
        if name == "loss" {
            let of = |(output, objective): &(String, Objective)| {
                objective.loss_weight * mean(format!("metrics.{output}.loss"))
            };
            return objectives.iter().map(of).sum::<f64>() + mean("metrics.activities".into());
        }
        let single = objectives.len() == 1;
        let own = objectives.iter().find_map(|(output, _)| match single {
            true => Some((output, name)),
            false => name.strip_prefix(&format!("{output}_")).map(|name| (output, name)),
        });
        let (output, name) = own.unwrap();
        match name {
            "loss" => mean(format!("metrics.{output}.loss")),
            // Counted with the loss.
            "accuracy" => mean(format!("metrics.{output}.counts")),
            _ => {
                let sums = sums(&format!("metrics.{output}.{name}")).unwrap();
                match name.trim_start_matches("weighted_") {
                    "precision" => precision(sums),
                    "recall" => recall(sums),
                    "auc" => auc(sums),
                    _ => sums[0] / sums[1],
                }
            }
        }
    }

    fn pass(&mut self, pass: Pass, data: &Dataset, batch_size: usize) {
        let all: Vec<u32> = (0..data.len() as u32).collect();
        for indices in all.chunks(batch_size) {
            self.run(pass, data, indices);
        }
    }
}

/// Does what Keras has done, and compares every number.
fn follow(keras: &Keras) {
    let mut oracle = Oracle::new(keras);
    let data = keras.weighted_data();
    let (batch_size, rows) = (keras.batch_size(), data.len());
    let compare = |oracle: &mut Oracle, pass, what: &str, expected: &Named<f64>| {
        oracle.pass(pass, &data, batch_size);
        let actual = oracle.take_scores(expected, rows);
        keras.close_scores(what, &actual, expected, exact);
    };
    let initial = keras.scores(&keras.file["evaluate_initial"], None);
    compare(&mut oracle, Pass::Evaluate, "evaluated before", &initial);
    for expected in keras.history() {
        compare(&mut oracle, Pass::Train, "history", &expected);
    }
    let accumulated = oracle.compiled.gradient_accumulation_steps as u64;
    assert_eq!(oracle.steps / accumulated, keras.file["updates"].as_u64().unwrap());
    for (name, expected) in keras.weights("final") {
        keras.close(&name, &oracle.read(&name), &expected, |i| exact(expected[i]));
    }
    let evaluated = keras.scores(&keras.file["evaluate"], None);
    compare(&mut oracle, Pass::Evaluate, "evaluated", &evaluated);
    oracle.pass(Pass::Predict, &data, rows);
    for (name, expected) in keras.predictions() {
        let outputs = oracle.program.outputs();
        let (_, id) = outputs.iter().find(|(output, _)| *output == name).unwrap();
        let actual = oracle.cpu.read(*id, rows);
        keras.close("outputs", &actual, &expected, |i| exact(expected[i]));
    }
}

#[test]
fn cpu_in_f64_follows_keras() {
    for keras in all() {
        follow(&keras);
    }
}

#[test]
fn adapted_statistics_are_those_of_keras() {
    let keras = all().find(|keras| keras.name == "normalization").unwrap();
    let Normalization { mean, variance } = keras.normalization();
    let expected = keras.weights("initial");
    for (name, actual) in [("mean", mean), ("variance", variance)] {
        let expected = &expected[&format!("normalization_1.{name}")];
        // Of five numbers around 100 and their squared distances.
        keras.close(name, &actual, expected, |i| 1e-14 * expected[i].abs());
    }
}

fn backends() -> [Backend; 2] {
    let gpu = Gpu::new().unwrap_or_else(|error| panic!("{error}"));
    [Backend::from(&Cpu::new()), Backend::from(&gpu)]
}

fn scores(scores: &Scores) -> Named<f64> {
    scores.values().into_iter().collect()
}

/// The weights of Keras, but for those that the architecture holds.
fn set_weights(model: &mut Model, keras: &Keras, field: &str) {
    for (name, values) in keras.weights(field) {
        if !name.starts_with("normalization_") {
            let values: Vec<f32> = values.into_iter().map(|x| x as f32).collect();
            model.set_weight(&name, &values).unwrap();
        }
    }
}

/// The public way: fit, evaluate and predict, on the CPU and on the GPU.
#[test]
fn fit_evaluate_and_predict_follow_keras() {
    for keras in all() {
        let data = keras.weighted_data();
        let batch_size = keras.batch_size();
        for backend in backends() {
            let mut model = keras.compiled().build(backend).unwrap();
            set_weights(&mut model, &keras, "initial");
            let evaluate = || Evaluate::new().batch_size(batch_size);
            let close = |what: &str, actual: &Scores, expected: &Named<f64>| {
                keras.close_scores(what, &scores(actual), expected, |_| 3e-6);
            };
            let initial = keras.scores(&keras.file["evaluate_initial"], None);
            close("evaluated before", &model.evaluate(&data, evaluate()).unwrap(), &initial);
            let fit = Fit::new()
                .batch_size(batch_size)
                .epochs(keras.epochs() as u32)
                .shuffle(Shuffle::Off);
            let history = model.fit(&data, fit).unwrap();
            assert_eq!(history.epochs.len(), keras.epochs());
            for (record, expected) in history.epochs.iter().zip(keras.history()) {
                close("history", &record.training, &expected);
            }
            let finals = keras.weights("final");
            let own: Vec<String> =
                model.weights().unwrap().into_iter().map(|(name, ..)| name).collect();
            let mut sorted = own.clone();
            sorted.sort();
            assert!(sorted.iter().eq(finals.keys()), "{}: {own:?}", keras.name);
            for (name, expected) in &finals {
                let actual: Vec<f64> =
                    model.weight(name).unwrap().into_iter().map(f64::from).collect();
                // f32 is that coarse above 16.
                let bound = |i: usize| 1e-6 * (expected[i].abs() / 16.0).max(1.0);
                keras.close(name, &actual, expected, bound);
            }
            let evaluated = keras.scores(&keras.file["evaluate"], None);
            close("evaluated", &model.evaluate(&data, evaluate()).unwrap(), &evaluated);
            let outputs = model.predict_outputs(&data, Predict::new().batch_size(5)).unwrap();
            assert_eq!(outputs.len(), keras.predictions().len());
            for (name, values) in outputs {
                let actual: Vec<f64> = values.into_iter().map(f64::from).collect();
                keras.close("outputs", &actual, &keras.predictions()[&name], |_| 3e-6);
            }
        }
    }
}
