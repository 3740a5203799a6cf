//! Functional models and what they can hold, on both executors.

#[path = "support/unfused.rs"]
mod unfused;

use std::sync::Arc;

use approx::abs_diff_eq;
use minibatch::callbacks::{EarlyStopping, LambdaCallback, LearningRateScheduler};
use minibatch::data::{Batch, Dataset, Features, Shuffle, Targets};
use minibatch::model::{
    BatchNormalization, Compiled, Dense, Dropout, GaussianNoise, Layer, LayerNormalization,
    Normalization, Objective, Regularizer, Rescaling, Weights,
};
use minibatch::random::{Random, Stream};
use minibatch::training::{
    Answer, Backend, Callback, ConfusionMatrix, Control, Predictions, Request, StepEnd,
};
use minibatch::{
    Activation, Adam, Clip, Cpu, Error, Evaluate, Fit, Functional, Gpu, Loss, Metric, Model,
    Predict, Result, Sequential, Sgd,
};
use unfused::unfused;

fn backends() -> [Backend; 2] {
    let gpu = Gpu::new().unwrap_or_else(|error| panic!("{error}"));
    [Backend::from(&Cpu::new()), Backend::from(&gpu)]
}

fn cpu() -> Backend {
    Backend::from(&Cpu::new())
}

/// Every weight, to the last bit.
fn bits(weights: &Weights) -> Vec<(String, Vec<u32>)> {
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect();
    weights.iter().map(|(name, _, values)| (name.clone(), bits(values))).collect()
}

fn weights(model: &mut Model) -> Vec<(String, Vec<u32>)> {
    bits(&model.weights().unwrap())
}

fn assert_close(what: &str, actual: &[f32], expected: &[f64], bound: f64) {
    assert_eq!(actual.len(), expected.len(), "{what}");
    for (&a, e) in actual.iter().zip(expected) {
        assert!(abs_diff_eq!(f64::from(a), *e, epsilon = bound), "{what}: {a} is not {e}");
    }
}

const SAMPLES: usize = 22;
const PICTURE: &str = "picture";
const PLACE: &str = "place";

fn floats(random: &mut Random, count: usize) -> Arc<Vec<f32>> {
    Arc::new((0..count).map(|_| random.uniform() as f32 * 2.0 - 1.0).collect())
}

/// Samples of two inputs with targets for two outputs, in this order of the targets' names.
fn data(targets: [&'static str; 2]) -> Dataset {
    let mut random = Random::new(7, Stream::Parity);
    let picture = Features::F32(floats(&mut random, SAMPLES * 5));
    let place = Features::F32(floats(&mut random, SAMPLES * 2));
    let kinds: Vec<u32> = (0..SAMPLES).map(|_| random.below(3) as u32).collect();
    let sizes = Targets::values(floats(&mut random, SAMPLES).to_vec(), 1);
    let of = |name: &str| if name == "kind" { kinds.clone().into() } else { sizes.clone() };
    let inputs = [(PLACE, place, &[2][..]), (PICTURE, picture, &[5])];
    Dataset::named(inputs, targets.map(|name| (name, of(name)))).unwrap()
}

/// Branches, and with `noisy` every kind of layer.
fn branched(noisy: bool) -> Functional {
    let mut model = Functional::new();
    let picture = model.input(PICTURE, 5);
    let place = model.input(PLACE, 2);
    let mut seen = model.dense(picture, 6, Activation::Tanh);
    if noisy {
        let statistics = Normalization { mean: vec![0.25; 6], variance: vec![0.5; 6] };
        seen = model.layer(seen, statistics);
        seen = model.layer(seen, BatchNormalization::new().momentum(0.9));
        seen = model.layer(seen, Layer::Dropout(Dropout { rate: 0.25 }));
        seen = model.layer(seen, Layer::GaussianNoise(GaussianNoise { standard_deviation: 0.1 }));
    }
    let both = model.concatenate([seen, place]);
    let costly =
        Dense::new(6, Activation::Gelu).activity_regularizer(Regularizer::l1_l2(0.01, 0.02));
    let trunk = model.named("trunk", both, costly);
    let mut summed = model.add([trunk, seen]);
    if noisy {
        summed = model.layer(summed, LayerNormalization::new());
        summed = model.layer(summed, Layer::Rescaling(Rescaling { scale: 0.5, offset: 0.25 }));
    }
    let kind = model.dense(summed, 3, Activation::Softmax);
    let size = model.dense(trunk, 1, Activation::Linear);
    model.output("kind", kind);
    model.output("size", size);
    model
}

fn objectives() -> [(&'static str, Objective); 2] {
    let kind = Objective::new(Loss::SparseCategoricalCrossentropy).metrics([Metric::Accuracy]);
    let size = Objective::new(Loss::MeanSquaredError).loss_weight(0.5);
    [("kind", kind), ("size", size.metrics([Metric::MeanAbsoluteError]))]
}

fn noisy() -> Compiled {
    let adam = Adam { learning_rate: 0.01, clip: Clip::GlobalNorm(1.0), ..Adam::default() };
    branched(true).compile(adam, objectives()).seed(3)
}

fn fit<'a>() -> Fit<'a> {
    Fit::new().batch_size(4)
}

/// Three inputs, of which the batch normalization's moving averages are known.
fn normalized(layer: BatchNormalization) -> Sequential {
    Sequential::new(3).layer(layer).dense(4, Activation::Tanh).dense(2, Activation::Softmax)
}

fn three_inputs() -> (Vec<f32>, Dataset) {
    let values = floats(&mut Random::new(1, Stream::Parity), 10 * 3);
    let labels: Vec<u32> = (0..10).map(|i| i % 2).collect();
    let data = Dataset::new(Features::F32(Arc::clone(&values)), &[3], labels).unwrap();
    (values.to_vec(), data)
}

/// Mean and variance of each of three columns.
fn moments(values: &[f32]) -> [Vec<f64>; 2] {
    let column = |i: usize| values.iter().skip(i).step_by(3).map(|&x| f64::from(x));
    let rows = values.len() as f64 / 3.0;
    let mean: Vec<f64> = (0..3).map(|i| column(i).sum::<f64>() / rows).collect();
    let variance = |i: usize| column(i).map(|x| (x - mean[i]).powi(2)).sum::<f64>() / rows;
    let variance = (0..3).map(variance).collect();
    [mean, variance]
}

#[test]
fn moving_statistics_follow_training_and_nothing_else() {
    let (values, data) = three_inputs();
    let [mean, variance] = moments(&values);
    for backend in backends() {
        let normalization = BatchNormalization::new().momentum(0.75);
        let compiled = normalized(normalization).compile(
            Sgd::default(),
            Loss::SparseCategoricalCrossentropy,
            [],
        );
        let mut model = compiled.build(backend).unwrap();
        // From mean 0 and variance 1, a quarter of the way in each of two steps.
        model.fit(&data, Fit::new().epochs(2).batch_size(10)).unwrap();
        let left = 0.75 * 0.75;
        let expected = |start: f64, value: &f64| left * start + (1.0 - left) * value;
        let of_mean: Vec<f64> = mean.iter().map(|mean| expected(0.0, mean)).collect();
        let of_variance: Vec<f64> = variance.iter().map(|value| expected(1.0, value)).collect();
        let check = |model: &mut Model| {
            for (name, expected) in [("mean", &of_mean), ("variance", &of_variance)] {
                let name = format!("batch_normalization_1.moving_{name}");
                assert_close(&name, &model.weight(&name).unwrap(), expected, 1e-6);
            }
        };
        check(&mut model);
        model.evaluate(&data, Evaluate::new()).unwrap();
        model.predict(&data, Predict::new()).unwrap();
        check(&mut model);
    }
}

#[test]
fn moving_statistics_follow_training_where_no_loss_looks() {
    let (values, data) = three_inputs();
    let [mean, variance] = moments(&values);
    for backend in backends() {
        let mut model = Functional::new();
        let input = model.input("input", 3);
        let normal = model.layer(input, BatchNormalization::new().momentum(0.0));
        let judged = model.dense(input, 2, Activation::Softmax);
        model.output("judged", judged);
        model.output("normal", normal);
        let objective = Objective::new(Loss::SparseCategoricalCrossentropy);
        let compiled = model.compile(Sgd::default(), [("judged", objective)]);
        let mut model = compiled.build(backend).unwrap();
        model.fit(&data, Fit::new().batch_size(10)).unwrap();
        for (name, expected) in [("mean", &mean), ("variance", &variance)] {
            let name = format!("batch_normalization_1.moving_{name}");
            assert_close(&name, &model.weight(&name).unwrap(), expected, 1e-6);
        }
    }
}

#[test]
fn frozen_batch_normalization_stays_as_it_is() {
    let (_, data) = three_inputs();
    for backend in backends() {
        let network = Sequential::new(3)
            .dense(4, Activation::Tanh)
            .layer(BatchNormalization::new().frozen())
            .dense(2, Activation::Softmax);
        let compiled = network.compile(Adam::new(0.1), Loss::SparseCategoricalCrossentropy, []);
        let mut model = compiled.build(backend).unwrap();
        let statistics = [("gamma", 2.0), ("beta", -0.5), ("moving_mean", 0.25)];
        for (part, value) in statistics.into_iter().chain([("moving_variance", 4.0)]) {
            model.set_weight(&format!("batch_normalization_1.{part}"), &[value; 4]).unwrap();
        }
        let before = weights(&mut model);
        model.fit(&data, Fit::new().epochs(2)).unwrap();
        for ((name, before), (_, after)) in before.iter().zip(weights(&mut model)) {
            let frozen = name.starts_with("batch_normalization");
            assert_eq!(*before == after, frozen, "{name}");
        }
        // In training too, the values are those by the moving statistics.
        model.train_on_batch(Batch { data: &data, indices: &[0, 1, 2] }).unwrap();
        let before: Vec<f32> = model.read("dense_1.output").unwrap();
        let deviation = (4.0 + 1e-3_f64).sqrt();
        let normal = |&x: &f32| (f64::from(x) - 0.25) / deviation * 2.0 - 0.5;
        let expected: Vec<f64> = before.iter().map(normal).collect();
        let actual = model.read("batch_normalization_1.output").unwrap();
        assert_close("normalized", &actual, &expected, 1e-6);
    }
}

#[test]
fn moving_statistics_are_saved_and_loaded_with_the_weights() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.safetensors");
    let (_, data) = three_inputs();
    for backend in backends() {
        let compiled = normalized(BatchNormalization::new().momentum(0.5)).compile(
            Adam::default(),
            Loss::SparseCategoricalCrossentropy,
            [],
        );
        let mut model = compiled.clone().build(backend.clone()).unwrap();
        model.fit(&data, fit()).unwrap();
        let all = model.weights().unwrap();
        let names: Vec<&str> = all.iter().map(|(name, ..)| name.as_str()).collect();
        let expected = ["gamma", "beta", "moving_mean", "moving_variance"]
            .map(|part| format!("batch_normalization_1.{part}"));
        assert_eq!(names[..4], expected);
        assert_eq!(
            names[4..],
            ["dense_1.weight", "dense_1.bias", "dense_2.weight", "dense_2.bias"]
        );
        let probabilities = model.predict(&data, Predict::new()).unwrap();
        model.save(&path).unwrap();
        let mut loaded = Model::load(&path, backend.clone()).unwrap();
        assert_eq!(weights(&mut loaded), bits(&all));
        assert_eq!(loaded.predict(&data, Predict::new()).unwrap(), probabilities);
        let mut other = compiled.build(backend).unwrap();
        assert_ne!(other.predict(&data, Predict::new()).unwrap(), probabilities);
        other.set_weights(&all).unwrap();
        assert_eq!(other.predict(&data, Predict::new()).unwrap(), probabilities);
    }
}

#[test]
fn early_stopping_restores_moving_statistics_too() {
    let (_, data) = three_inputs();
    for backend in backends() {
        let compiled = normalized(BatchNormalization::new().momentum(0.5)).compile(
            Adam::default(),
            Loss::SparseCategoricalCrossentropy,
            [],
        );
        let mut model = compiled.build(backend).unwrap();
        let mut after = Vec::new();
        let mut watch = LambdaCallback::new()
            .on_epoch_end(|run, _| {
                run.request(Request::Weights);
                Ok(())
            })
            .on_answer(|_, answer| {
                let Answer::Weights(weights) = answer else { panic!("{answer:?}") };
                after.push(bits(&weights));
                Ok(())
            });
        let mut rates = LearningRateScheduler::new(|epoch, _| if epoch < 3 { 0.05 } else { 30.0 });
        let mut early = EarlyStopping::new().monitor("loss").patience(2).restore_best_weights(true);
        let arguments =
            fit().epochs(20).callback(&mut watch).callback(&mut rates).callback(&mut early);
        assert!(model.fit(&data, arguments).unwrap().stopped);
        drop(watch);
        let best = early.best_epoch().unwrap() as usize;
        assert_eq!(weights(&mut model), after[best - 1]);
        let statistic = |epoch: usize| {
            let weights = &after[epoch - 1];
            weights.iter().find(|(name, _)| name.ends_with("moving_mean")).unwrap().clone()
        };
        assert_ne!(statistic(best), statistic(best + 2), "there was nothing to restore");
    }
}

#[test]
fn a_functional_model_goes_on_from_its_file_amid_a_gradient_accumulation() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.safetensors");
    let data = data(["kind", "size"]);
    for backend in backends() {
        // Six batches an epoch: without accumulation, and with two batches left over.
        for accumulated in [1, 4] {
            let compiled = noisy().gradient_accumulation_steps(accumulated);
            let mut whole = compiled.clone().build(backend.clone()).unwrap();
            let in_a_row = whole.fit(&data, fit().epochs(3)).unwrap();
            let mut first = compiled.clone().build(backend.clone()).unwrap();
            first.fit(&data, fit()).unwrap();
            if accumulated > 1 {
                let left = first.read("trunk.weight.accumulated").unwrap();
                assert!(left.iter().any(|&gradient| gradient != 0.0));
            }
            first.save(&path).unwrap();
            let bytes = std::fs::read(&path).unwrap();
            let mut second = Model::load(&path, backend.clone()).unwrap();
            assert_eq!(*second.architecture(), branched(true));
            assert_eq!(weights(&mut second), weights(&mut first));
            let evaluated = first.evaluate(&data, Evaluate::new()).unwrap();
            assert_eq!(second.evaluate(&data, Evaluate::new()).unwrap(), evaluated);
            let predicted = first.predict_outputs(&data, Predict::new()).unwrap();
            assert_eq!(second.predict_outputs(&data, Predict::new()).unwrap(), predicted);
            second.save(&path).unwrap();
            assert!(bytes == std::fs::read(&path).unwrap(), "the same model, other bytes");

            let rest = second.fit(&data, fit().initial_epoch(1).epochs(3)).unwrap();
            assert_eq!(weights(&mut second), weights(&mut whole));
            let scores = |history: &minibatch::training::History| -> Vec<_> {
                history.epochs.iter().map(|epoch| epoch.training.clone()).collect()
            };
            assert_eq!(scores(&rest), scores(&in_a_row)[1..]);
        }
    }
}

#[test]
fn gradients_of_three_batches_are_those_of_one_three_times_as_large() {
    let data = data(["kind", "size"]).slice(0..18).unwrap();
    for backend in backends() {
        let train = |accumulated: usize, batch_size: usize| {
            let sgd = Sgd { learning_rate: 0.1, momentum: 0.9, ..Sgd::default() };
            let compiled = branched(false).compile(sgd, objectives());
            let compiled = compiled.gradient_accumulation_steps(accumulated);
            let mut model = compiled.build(backend.clone()).unwrap();
            let fit = Fit::new().batch_size(batch_size).epochs(3).shuffle(Shuffle::Off);
            model.fit(&data, fit).unwrap();
            model.weights().unwrap()
        };
        let (parts, whole) = (train(3, 3), train(1, 9));
        let other = train(1, 3);
        for ((name, _, part), (_, _, whole)) in parts.iter().zip(&whole) {
            let whole: Vec<f64> = whole.iter().map(|&value| f64::from(value)).collect();
            // Sums of 9 products of about 1, in another order: six updates of a rate of 0.1 and
            // its momentum take their rounding errors along.
            assert_close(name, part, &whole, 2e-6);
        }
        assert_ne!(bits(&other), bits(&parts));
    }
}

/// The numbers that the batch hooks are called with: 1 to begin with batch 1, -1 to end with it.
#[derive(Default)]
struct Hooks {
    train: Vec<i32>,
    test: Vec<i32>,
    predict: Vec<i32>,
    samples: Vec<usize>,
    predictions: Predictions,
}

impl Callback for Hooks {
    fn batch_begin(&mut self, _: &mut dyn Control, step: usize) -> Result<()> {
        self.train.push(step as i32);
        Ok(())
    }

    fn batch_end(&mut self, _: &mut dyn Control, step: StepEnd) -> Result<()> {
        self.train.push(-(step.step as i32));
        self.samples.push(step.samples);
        Ok(())
    }

    fn test_batch_begin(&mut self, _: &mut dyn Control, step: usize) -> Result<()> {
        self.test.push(step as i32);
        Ok(())
    }

    fn test_batch_end(&mut self, _: &mut dyn Control, step: StepEnd) -> Result<()> {
        self.test.push(-(step.step as i32));
        Ok(())
    }

    fn predict_batch_begin(&mut self, _: &mut dyn Control, step: usize) -> Result<()> {
        self.predict.push(step as i32);
        Ok(())
    }

    fn predict_batch_end(
        &mut self,
        _: &mut dyn Control,
        step: StepEnd,
        outputs: &Predictions,
    ) -> Result<()> {
        self.predict.push(-(step.step as i32));
        self.predictions.extend(outputs.clone());
        Ok(())
    }
}

#[test]
fn steps_per_execution_calls_the_batch_hooks_once_in_so_many_steps_and_changes_no_bit() {
    let data = data(["kind", "size"]);
    for backend in backends() {
        let train = |together: usize| {
            let compiled = noisy().steps_per_execution(together);
            let mut model = compiled.build(backend.clone()).unwrap();
            let mut hooks = Hooks::default();
            let history = model.fit(&data, fit().callback(&mut hooks)).unwrap();
            let evaluate = Evaluate::new().batch_size(4).callback(&mut hooks);
            let scores = model.evaluate(&data, evaluate).unwrap();
            let predict = Predict::new().batch_size(4).callback(&mut hooks);
            let outputs = model.predict_outputs(&data, predict).unwrap();
            // What the hooks were given, one after the other, is what was predicted.
            for (name, values) in &outputs {
                let given = hooks.predictions.iter().filter(|(other, _)| other == name);
                let given: Vec<f32> = given.flat_map(|(_, values)| values.clone()).collect();
                assert_eq!(given, *values);
            }
            let all = (weights(&mut model), history.epochs[0].training.clone(), scores, outputs);
            (hooks, all)
        };
        let (each, one_by_one) = train(1);
        assert_eq!(each.train, [1, -1, 2, -2, 3, -3, 4, -4, 5, -5, 6, -6]);
        for (together, hooks, samples) in [
            (2, &[1, -2, 3, -4, 5, -6][..], &[8, 16, 22][..]),
            // The last ones are fewer.
            (4, &[1, -4, 5, -6], &[16, 22]),
            (9, &[1, -6], &[22]),
        ] {
            let (called, all) = train(together);
            assert_eq!(called.train, hooks);
            assert_eq!(called.test, hooks);
            assert_eq!(called.predict, hooks);
            assert_eq!(called.predictions.len(), hooks.len());
            assert_eq!(called.samples, samples);
            assert_eq!(all, one_by_one, "{together} steps");
        }
    }
}

#[test]
fn a_model_run_eagerly_has_the_same_bits() {
    let data = data(["kind", "size"]);
    for backend in backends() {
        let train = |eagerly: bool| {
            let compiled = noisy().gradient_accumulation_steps(2).run_eagerly(eagerly);
            let mut model = compiled.build(backend.clone()).unwrap();
            let history = model.fit(&data, fit()).unwrap();
            let scores = model.evaluate(&data, Evaluate::new()).unwrap();
            let outputs = model.predict_outputs(&data, Predict::new()).unwrap();
            let read = model.read("trunk.output").unwrap();
            (weights(&mut model), history.epochs[0].training.clone(), scores, outputs, read)
        };
        assert_eq!(train(true), train(false));
    }
}

#[test]
fn a_model_run_eagerly_names_operation_buffer_and_place_of_what_is_no_number() {
    for backend in backends() {
        let mut values = vec![0.5; 8 * 3];
        // Sample 5, of the second batch the second one.
        values[5 * 3 + 1] = f32::NAN;
        let targets = Targets::values(vec![0.0; 8 * 2], 2);
        let data = Dataset::new(Features::F32(Arc::new(values)), &[3], targets).unwrap();
        let compiled = Sequential::new(3)
            .dense(4, Activation::Linear)
            .dense(2, Activation::Linear)
            .compile(Sgd::default(), Loss::MeanSquaredError, [])
            .run_eagerly(true);
        let mut model = compiled.build(backend.clone()).unwrap();
        let error = model.fit(&data, fit().shuffle(Shuffle::Off)).unwrap_err();
        let Error::NonFiniteValue { op, buffer, row, column, value, step } = &error else {
            panic!("{error}");
        };
        assert_eq!((op.as_str(), buffer.as_str()), ("dense_forward", "dense_1.output"));
        assert_eq!((*row, *column, *step), (1, 0, 2));
        assert!(value.is_nan());
        let said = error.to_string();
        assert!(
            said.contains("dense_forward wrote NaN to dense_1.output[1, 0] in step 2"),
            "{said}"
        );
        // What came before is there to be read.
        let inputs = model.read("input").unwrap();
        assert!(inputs[4].is_nan() && inputs.iter().filter(|x| x.is_nan()).count() == 1);
        let outputs = model.read("dense_1.output").unwrap();
        assert_eq!(outputs.iter().filter(|x| x.is_nan()).count(), 4);

        // On the way back: an infinite weight that nothing went through forward, but whose squared
        // penalty is.
        let dense = Dense::new(2, Activation::Linear).weight_regularizer(Regularizer::l2(0.1));
        let compiled = Sequential::new(3)
            .layer(dense)
            .compile(Sgd::default(), Loss::MeanSquaredError, [])
            .run_eagerly(true);
        let mut model = compiled.build(backend).unwrap();
        model.set_weight("dense_1.weight", &[1e30, 0.0, 0.0, 0.0, 0.0, 0.0]).unwrap();
        let data = data.slice(0..4).unwrap();
        let error = model.evaluate(&data, Evaluate::new()).unwrap_err();
        let Error::NonFiniteValue { buffer, value, step, .. } = &error else { panic!("{error}") };
        assert!(value.is_infinite() && buffer.starts_with("metrics."), "{error}");
        assert_eq!(*step, 0);
    }
}

#[test]
fn values_and_gradients_are_read_by_name() {
    for backend in backends().iter().map(unfused) {
        let mut model = Functional::new();
        let input = model.input("input", 2);
        let trunk = model.named("trunk", input, Dense::new(3, Activation::Tanh));
        let size = model.named("size", trunk, Dense::new(2, Activation::Linear));
        model.output("size", size);
        let objective = Objective::new(Loss::MeanSquaredError);
        let compiled = model.compile(Sgd::default(), [("size", objective)]);
        let mut model = compiled.build(backend).unwrap();
        let [weight, bias] = [vec![0.5, -1.0, 0.25, 1.0, 0.75, -0.5], vec![0.125, 0.0, -0.25]];
        model.set_weight("trunk.weight", &weight).unwrap();
        model.set_weight("trunk.bias", &bias).unwrap();
        let values = vec![1.0, 2.0, -0.5, 0.25, 4.0, -3.0, 0.0, 1.0];
        let targets = vec![1.0, 0.0, 0.5, -0.5, 2.0, 1.0, 0.0, 0.25];
        let features = Features::F32(Arc::new(values.clone()));
        let data = Dataset::new(features, &[2], Targets::values(targets.clone(), 2)).unwrap();
        // Of several batches the last one, of three rows.
        let indices = [0, 1, 3];
        let batch = Batch { data: &data, indices: &indices };
        model.predict(&data, Predict::new()).unwrap();
        model.train_on_batch(batch).unwrap();
        let of_trunk = |row: u32, unit: usize| {
            let x = |i: usize| f64::from(values[row as usize * 2 + i]);
            let w = |i: usize| f64::from(weight[i * 3 + unit]);
            (x(0) * w(0) + x(1) * w(1) + f64::from(bias[unit])).tanh()
        };
        let expected: Vec<f64> =
            indices.iter().flat_map(|&row| (0..3).map(move |unit| of_trunk(row, unit))).collect();
        assert_close("trunk", &model.read("trunk.output").unwrap(), &expected, 1e-6);
        // The slope of a mean over 3 samples of 2 values.
        let outputs = model.read("size.output").unwrap();
        let wanted = indices.iter().flat_map(|&row| &targets[row as usize * 2..][..2]);
        let slope =
            |(output, target): (&f32, &f32)| 2.0 * (f64::from(*output) - f64::from(*target)) / 6.0;
        let expected: Vec<f64> = outputs.iter().zip(wanted).map(slope).collect();
        assert_close("slopes", &model.read("size.output.gradient").unwrap(), &expected, 1e-6);
        assert_eq!(model.read("trunk.weight.gradient").unwrap().len(), 6);
        let error = model.read("trunk.outputs").unwrap_err().to_string();
        assert!(error.contains("no buffer called \"trunk.outputs\""), "{error}");
    }
}

/// Those of one evaluation, by name.
fn matrices(model: &mut Model, data: &Dataset) -> Vec<(String, ConfusionMatrix)> {
    let scores = model.evaluate(data, Evaluate::new().batch_size(3)).unwrap();
    assert!(scores.values().iter().all(|(name, _)| !name.contains("confusion")));
    scores.confusion_matrices().to_vec()
}

fn matrix(classes: usize, counts: &[f64]) -> ConfusionMatrix {
    ConfusionMatrix::new(classes, counts.to_vec())
}

#[test]
fn confusion_matrices_count_samples_and_weights() {
    let watched = || [Metric::ConfusionMatrix];
    // Class and prediction of each sample, and its weight.
    let samples: [(u32, u32, f32); 7] = [
        (0, 0, 1.0),
        (0, 0, 0.5),
        (0, 2, 2.0),
        (1, 1, 0.25),
        (2, 1, 4.0),
        (2, 2, 10.0),
        (2, 2, 0.5),
    ];
    let weights: Vec<f32> = samples.iter().map(|(.., weight)| *weight).collect();
    let one_hot = |class: u32| (0..3).map(move |i| f32::from(u8::from(i == class)));
    let features: Vec<f32> = samples.iter().flat_map(|&(_, of, _)| one_hot(of)).collect();
    let features = Features::F32(Arc::new(features));
    let labels: Vec<u32> = samples.iter().map(|(class, ..)| *class).collect();
    let rows: Vec<f32> = labels.iter().flat_map(|&class| one_hot(class)).collect();
    let smoothing = Loss::CategoricalCrossentropy { label_smoothing: 0.125 };
    for backend in backends() {
        for (loss, targets) in [
            (Loss::SparseCategoricalCrossentropy, Targets::from(labels.clone())),
            (smoothing.clone(), Targets::values(rows.clone(), 3)),
        ] {
            let data = Dataset::new(features.clone(), &[3], targets)
                .and_then(|data| data.with_sample_weights(weights.clone()))
                .unwrap();
            let compiled = Sequential::new(3).dense(3, Activation::Softmax);
            let compiled = compiled.compile(Sgd::default(), loss, watched());
            let mut model = compiled.weighted_metrics(watched()).build(backend.clone()).unwrap();
            let identity = [2.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 2.0];
            model.set_weight("dense_1.weight", &identity).unwrap();
            let counts = matrix(3, &[2.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 2.0]);
            let weighed = matrix(3, &[1.5, 0.0, 2.0, 0.0, 0.25, 0.0, 0.0, 4.0, 10.5]);
            let expected = [
                ("confusion_matrix".to_owned(), counts),
                ("weighted_confusion_matrix".to_owned(), weighed),
            ];
            // Twice: no evaluation begins with what another one has counted.
            for _ in 0..2 {
                assert_eq!(matrices(&mut model, &data), expected);
            }
            assert_eq!(expected[0].1.count(2, 1), 1.0);
            assert_eq!(expected[0].1.count(3, 0), 0.0);
            assert_eq!(
                expected[1].1.to_string(),
                "   0:  1.5    0    2\n   1:    0 0.25    0\n   2:    0    4 10.5"
            );
            assert_eq!(expected[0].1.to_string(), "0: 2 0 1\n1: 0 1 0\n2: 0 1 2");
        }
    }
}

#[test]
fn a_single_sigmoid_has_the_confusion_matrix_of_two_classes() {
    // Above 0 is class 1; 0 itself, a probability of a half, is not.
    let features = Features::F32(Arc::new(vec![-2.0, -1.0, 0.0, 1.0, 3.0, -0.5]));
    let targets = Targets::values(vec![0.0, 1.0, 1.0, 1.0, 0.0, 0.0], 1);
    let weights = vec![1.0, 0.5, 2.0, 4.0, 8.0, 16.0];
    let data = Dataset::new(features, &[1], targets)
        .and_then(|data| data.with_sample_weights(weights))
        .unwrap();
    for backend in backends() {
        for activation in [Activation::Sigmoid, Activation::Linear] {
            let compiled = Sequential::new(1)
                .dense(1, activation)
                .compile(Sgd::default(), Loss::BINARY_CROSSENTROPY, [Metric::ConfusionMatrix])
                .weighted_metrics([Metric::ConfusionMatrix]);
            let mut model = compiled.build(backend.clone()).unwrap();
            model.set_weight("dense_1.weight", &[1.0]).unwrap();
            let expected = [
                ("confusion_matrix".to_owned(), matrix(2, &[2.0, 1.0, 2.0, 1.0])),
                ("weighted_confusion_matrix".to_owned(), matrix(2, &[17.0, 8.0, 2.5, 4.0])),
            ];
            assert_eq!(matrices(&mut model, &data), expected);
            assert_eq!(expected[0].1.to_string(), "0: 2 1\n1: 2 1");
        }
    }
}

#[test]
fn data_by_name_may_come_in_any_order() {
    for backend in backends() {
        let [a, b] = [["kind", "size"], ["size", "kind"]].map(|order| {
            let data = data(order);
            let mut model = noisy().build(backend.clone()).unwrap();
            model.fit(&data, fit().validation_split(0.2)).unwrap();
            let scores = model.evaluate(&data, Evaluate::new()).unwrap();
            let names: Vec<String> = scores.values().into_iter().map(|(name, _)| name).collect();
            let expected = ["loss", "kind_loss", "size_loss", "kind_accuracy", "size_mae"];
            assert_eq!(names, expected);
            let batch = Batch { data: &data, indices: &[3, 4] };
            let of_batch = model.train_on_batch(batch).unwrap();
            (weights(&mut model), scores, of_batch)
        });
        assert_eq!(a, b);
    }
}

#[test]
fn samples_without_targets_can_be_predicted_from_and_nothing_else() {
    let labelled = data(["kind", "size"]);
    let columns = labelled.inputs();
    let inputs = columns.iter().map(|c| (c.name.as_str(), c.features.clone(), &c.shape[..]));
    let unlabelled = Dataset::named(inputs, []).unwrap();
    assert_eq!(unlabelled.len(), SAMPLES);
    for backend in backends() {
        let mut model = noisy().build(backend).unwrap();
        let predicted = model.predict_outputs(&unlabelled, Predict::new().batch_size(5)).unwrap();
        assert_eq!(predicted, model.predict_outputs(&labelled, Predict::new()).unwrap());
        let shapes: Vec<(&str, usize)> =
            predicted.iter().map(|(name, values)| (name.as_str(), values.len())).collect();
        assert_eq!(shapes, [("kind", 3 * SAMPLES), ("size", SAMPLES)]);
        let batch = Batch { data: &unlabelled, indices: &[0, 7] };
        let of_batch = model.predict_outputs_on_batch(batch).unwrap();
        assert_eq!(of_batch[0].1[3..], predicted[0].1[7 * 3..8 * 3]);
        for error in [
            model.fit(&unlabelled, fit()).unwrap_err(),
            model.evaluate(&unlabelled, Evaluate::new()).unwrap_err(),
            model.train_on_batch(batch).unwrap_err(),
        ] {
            let error = error.to_string();
            let expected = "has no target called \"kind\", which the model needs; there is none";
            assert!(error.contains(expected), "{error}");
        }
        assert_eq!(model.steps(), 0);
    }
    let features = || Features::F32(Arc::new(vec![0.5; 6]));
    let mut single = Sequential::new(3)
        .dense(2, Activation::Softmax)
        .compile(Sgd::default(), Loss::SparseCategoricalCrossentropy, [])
        .build(cpu())
        .unwrap();
    let unlabelled = Dataset::unlabelled(features(), &[3]).unwrap();
    assert_eq!(single.predict(&unlabelled, Predict::new()).unwrap().len(), 4);
    single.evaluate(&unlabelled, Evaluate::new()).unwrap_err();
}

fn refusal(compiled: Compiled) -> String {
    compiled.build(cpu()).unwrap_err().to_string()
}

fn assert_says(error: &str, parts: &[&str]) {
    assert!(parts.iter().all(|part| error.contains(part)), "{error:?} lacks one of {parts:?}");
}

#[test]
fn graphs_that_cannot_be_are_refused_by_name() {
    let linear = |units| Dense::new(units, Activation::Linear);
    let mse = || [("y", Objective::new(Loss::MeanSquaredError))];
    let refused = |build: &dyn Fn(&mut Functional)| {
        let mut model = Functional::new();
        build(&mut model);
        refusal(model.compile(Sgd::default(), mse()))
    };
    for (parts, build) in [
        (
            &["two are called \"twin\""][..],
            &(|model: &mut Functional| {
                let x = model.input("x", 3);
                let a = model.named("twin", x, linear(3));
                let b = model.named("twin", a, linear(3));
                model.output("y", b);
            }) as &dyn Fn(&mut Functional),
        ),
        (&["two are called \"x\""], &|model| {
            let x = model.input("x", 3);
            let y = model.named("x", x, linear(3));
            model.output("y", y);
        }),
        (&["two are called \"y\""], &|model| {
            let x = model.input("x", 3);
            let y = model.layer(x, linear(3));
            model.output("y", y);
            model.output("y", y);
        }),
        (&["\"a.b\"", "without a dot"], &|model| {
            let x = model.input("x", 3);
            let y = model.named("a.b", x, linear(3));
            model.output("y", y);
        }),
        (&["add_1", "widths [3, 4]", "the same width"], &|model| {
            let x = model.input("x", 3);
            let wider = model.layer(x, linear(4));
            let y = model.add([x, wider]);
            model.output("y", y);
        }),
        (&["\"concatenate_1\" takes 1 values; give 2 or more"], &|model| {
            let x = model.input("x", 3);
            let y = model.layer(x, linear(3));
            let y = model.concatenate([y]);
            model.output("y", y);
        }),
        (&["outputs", "there is none"], &|model| {
            let x = model.input("x", 3);
            model.layer(x, linear(3));
        }),
        (&["layers", "there is none"], &|model| {
            let x = model.input("x", 3);
            model.output("y", x);
        }),
        (&["\"dense_1\" takes a value of another model"], &|model| {
            let mut other = Functional::new();
            let x = other.input("x", 3);
            let of_another = other.dense(x, 3, Activation::Linear);
            model.input("x", 3);
            let y = model.layer(of_another, linear(3));
            model.output("y", y);
        }),
        (&["\"y\" is of another model"], &|model| {
            let mut other = Functional::new();
            let mut value = other.input("x", 3);
            for _ in 0..4 {
                value = other.layer(value, linear(3));
            }
            let x = model.input("x", 3);
            model.layer(x, linear(3));
            model.output("y", value);
        }),
        (&["mean and variance of normalization_1", "2 and 3 values", "3 of both"], &|model| {
            let x = model.input("x", 3);
            let statistics = Normalization { mean: vec![0.0; 2], variance: vec![1.0; 3] };
            let y = model.layer(x, statistics);
            let y = model.layer(y, linear(3));
            model.output("y", y);
        }),
    ] {
        assert_says(&refused(build), parts);
    }
}

#[test]
fn objectives_that_cannot_be_are_refused_by_name() {
    use Metric::{Accuracy, ConfusionMatrix, TopKCategoricalAccuracy};
    let compile = |objectives: Vec<(&str, Objective)>| {
        refusal(branched(false).compile(Sgd::default(), objectives))
    };
    let mse = || Objective::new(Loss::MeanSquaredError);
    let classes = || Objective::new(Loss::SparseCategoricalCrossentropy);
    assert_says(
        &compile(vec![("colour", mse())]),
        &["loss", "\"colour\"", "the model's outputs are kind, size"],
    );
    assert_says(&compile(vec![("size", mse()), ("size", mse())]), &["given twice for \"size\""]);
    assert_says(&compile(vec![]), &["loss", "no output has one"]);
    assert_says(&compile(vec![("size", mse().loss_weight(-1.0))]), &["loss_weight: is -1"]);
    let binary = Objective::new(Loss::BINARY_CROSSENTROPY);
    assert_says(
        &compile(vec![("size", mse()), ("kind", binary)]),
        &["activation: of \"kind\" is Softmax", "needs Sigmoid"],
    );
    let dropped = Sequential::new(3).dense(4, Activation::Softmax).dropout(0.5);
    assert_says(
        &refusal(dropped.compile(Sgd::default(), Loss::SparseCategoricalCrossentropy, [])),
        &["activation: of \"output\"", "passes on the results of Softmax"],
    );
    for (name, objective, parts) in [
        (
            "size",
            mse().metrics([Accuracy]),
            &["of \"size\": Accuracy has no meaning for MeanSquaredError"][..],
        ),
        ("size", mse().weighted_metrics([Accuracy]), &["Accuracy has no meaning"]),
        (
            "kind",
            classes().metrics([TopKCategoricalAccuracy { k: 4 }]),
            &["k: 4", "of 3 outputs; give 1 to 3"],
        ),
        ("kind", classes().metrics([Metric::AUC]), &["Auc", "class indices"]),
        ("kind", classes().metrics([Metric::MeanAbsoluteError]), &["class indices"]),
    ] {
        assert_says(&compile(vec![(name, objective)]), parts);
    }
    let sigmoids = |metric: Metric| {
        let network = Sequential::new(3).dense(2, Activation::Sigmoid);
        refusal(network.compile(Sgd::default(), Loss::BINARY_CROSSENTROPY, [metric]))
    };
    assert_says(&sigmoids(ConfusionMatrix), &["metrics", "ConfusionMatrix"]);
    assert_says(&sigmoids(Metric::Precision { threshold: 1.5 }), &["threshold from 0 to 1"]);
    assert_says(&sigmoids(Metric::Auc { thresholds: 1 }), &["2 to 100000"]);
    assert_says(&sigmoids(Metric::TOP_5), &["one class a sample"]);
    assert_says(
        &refusal(noisy().gradient_accumulation_steps(0)),
        &["gradient_accumulation_steps: is 0; give at least 1"],
    );
    assert_says(
        &refusal(noisy().steps_per_execution(0)),
        &["steps_per_execution: is 0; give at least 1"],
    );
}

#[test]
fn data_that_does_not_fit_is_refused_by_name_before_anything_changes() {
    for backend in backends() {
        let whole = data(["kind", "size"]);
        let mut model = noisy().build(backend).unwrap();
        let before = weights(&mut model);
        let named = |inputs: [&str; 2], targets: &[&str]| {
            let columns = inputs.iter().zip(whole.inputs());
            let inputs = columns.map(|(name, c)| (*name, c.features.clone(), &c.shape[..]));
            let of = |name: &&str| {
                let kinds = whole.targets()[0].targets.clone();
                let sizes = whole.targets()[1].targets.clone();
                if *name == "kind" { kinds } else { sizes }
            };
            let targets: Vec<(&str, Targets)> =
                targets.iter().map(|name| (*name, of(name))).collect();
            Dataset::named(inputs, targets).unwrap()
        };
        let both = ["kind", "size"];
        for (data, parts) in [
            (
                named([PLACE, "photo"], &both),
                &["no input called \"picture\"", "there is place, photo"][..],
            ),
            (named([PLACE, PICTURE], &["kind"]), &["no target called \"size\"", "there is kind"]),
            // Each under the other one's name.
            (named([PICTURE, PLACE], &both), &["samples of 2 floats", "samples of 5 floats"]),
            (
                named([PLACE, PICTURE], &["kind", "volume"]),
                &["no target called \"size\"", "kind, volume"],
            ),
        ] {
            assert_says(&model.fit(&data, fit()).unwrap_err().to_string(), parts);
            let error = model.evaluate(&data, Evaluate::new()).unwrap_err();
            assert_says(&error.to_string(), parts);
        }
        let error = model.fit(&whole, fit().class_weight([(0, 2.0)])).unwrap_err();
        assert_says(&error.to_string(), &["class_weight", "2 targets", "give sample_weight"]);
        let error = model.predict(&whole, Predict::new()).unwrap_err().to_string();
        assert_says(&error, &["outputs", "kind, size", "call predict_outputs"]);
        let batch = Batch { data: &whole, indices: &[0] };
        let error = model.predict_on_batch(batch).unwrap_err().to_string();
        assert_says(&error, &["kind, size", "predict_outputs"]);
        assert_eq!((weights(&mut model), model.steps()), (before, 0));
    }
}
