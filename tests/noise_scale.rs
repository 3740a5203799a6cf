//! The gradients of a batch without an update, and the noise in them.

use std::sync::Arc;

use approx::assert_relative_eq;
use minibatch::callbacks::GradientNoiseScale;
use minibatch::data::{Batch, Dataset, Features, Targets, synthetic_digits};
use minibatch::model::{Compiled, Dense, Dropout, Input, Regularizer};
use minibatch::random::{Random, Stream};
use minibatch::training::{Answer, Backend, Callback, Control, Request, StepEnd};
use minibatch::{Activation, Adam, Cpu, Fit, Gpu, Loss, Metric, Model, Result, Sequential, Sgd};

fn gpu() -> Gpu {
    Gpu::new().unwrap_or_else(|error| panic!("{error}"))
}

fn digits() -> Dataset {
    synthetic_digits(300, 0).unwrap()
}

/// With all that training changes besides the weights.
fn compiled(data: &Dataset) -> Compiled {
    let costly = Dense::new(12, Activation::Tanh).weight_regularizer(Regularizer::l2(0.01));
    Sequential::new(Input::pixels(data.sample_shape()))
        .layer(costly)
        .layer(Dropout { rate: 0.3 })
        .batch_normalization()
        .dense(data.classes(), Activation::Softmax)
        .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
}

/// The same without what cannot be cut.
fn cut(data: &Dataset) -> Compiled {
    Sequential::new(Input::pixels(data.sample_shape()))
        .dense(12, Activation::Tanh)
        .layer(Dropout { rate: 0.3 })
        .dense(data.classes(), Activation::Softmax)
        .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
        .micro_batch_size(7)
}

/// Asks for gradients after each step.
struct Curious(Dataset, usize);

impl Callback for Curious {
    fn batch_end(&mut self, run: &mut dyn Control, _step: StepEnd) -> Result<()> {
        let indices: Vec<u32> = (0..20).collect();
        run.request(Request::gradients(self.0.clone(), indices.clone(), 0..20));
        run.request(Request::gradients(self.0.clone(), indices, 13..20));
        Ok(())
    }

    fn answer(&mut self, _run: &mut dyn Control, answer: Answer) -> Result<()> {
        let Answer::Gradients(gradients) = answer else { panic!("{answer:?}") };
        assert!(gradients.iter().all(|(.., values)| values.iter().any(|value| *value != 0.0)));
        self.1 += 1;
        Ok(())
    }
}

#[test]
fn a_training_whose_gradients_are_looked_at_is_the_same_training() {
    let data = digits();
    for (compiled, backend) in [
        (compiled(&data), Backend::Cpu(Cpu::new())),
        (compiled(&data), Backend::Gpu(gpu())),
        (compiled(&data).gradient_accumulation_steps(3), Backend::Cpu(Cpu::new())),
        (cut(&data), Backend::Cpu(Cpu::new())),
        (cut(&data), Backend::Gpu(gpu())),
    ] {
        let train = |curious: Option<&mut Curious>| {
            let mut model = compiled.clone().build(backend.clone()).unwrap();
            let mut fit = Fit::new().epochs(2);
            if let Some(curious) = curious {
                fit = fit.callback(curious);
            }
            let history = model.fit(&data, fit).unwrap();
            let scores: Vec<f64> = history
                .epochs
                .iter()
                .flat_map(|epoch| epoch.training.values())
                .map(|(_, value)| value)
                .collect();
            (scores, model.save_bytes().unwrap())
        };
        let mut curious = Curious(data.clone(), 0);
        let [(scores, model), (own_scores, own)] = [train(None), train(Some(&mut curious))];
        // Weights, moving statistics, the optimizer's state and the number of steps.
        assert!(model == own, "{backend:?}");
        // Sums over an epoch that are read in between are rounded in between.
        for (expected, own) in scores.iter().zip(&own_scores) {
            assert_relative_eq!(expected, own, max_relative = 1e-6);
        }
        assert_eq!(curious.1, 2 * 2 * 10);
    }
}

#[test]
fn the_gradients_are_those_that_a_step_leaves_and_parts_add_up() {
    let data = digits();
    let indices: Vec<u32> = (0..40).map(|i| i * 7).collect();
    let batch = Batch { data: &data, indices: &indices };
    let layers = |data: &Dataset| {
        Sequential::new(Input::pixels(data.sample_shape()))
            .dense(12, Activation::Tanh)
            .layer(Dropout { rate: 0.3 })
            .dense(data.classes(), Activation::Softmax)
            .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [])
    };
    for backend in [Backend::Cpu(Cpu::new()), Backend::Gpu(gpu())] {
        let mut model: Model = layers(&data).build(backend.clone()).unwrap();
        let mut parts = layers(&data).micro_batch_size(9).build(backend).unwrap();
        let before = model.weights().unwrap();
        let gradients = model.gradients(batch).unwrap();
        let added = parts.gradients(batch).unwrap();
        assert_eq!((model.weights().unwrap() == before, model.steps()), (true, 0));
        let shapes: Vec<_> = before.iter().map(|(name, shape, _)| (name, shape)).collect();
        let named: Vec<_> = gradients.iter().map(|(name, shape, _)| (name, shape)).collect();
        assert_eq!(named, shapes);
        model.train_on_batch(batch).unwrap();
        for ((name, _, gradient), (.., added)) in gradients.iter().zip(&added) {
            assert_eq!(*gradient, model.read(&format!("{name}.gradient")).unwrap(), "{name}");
            for (whole, added) in gradient.iter().zip(added) {
                assert!((whole - added).abs() <= 1e-6, "{name}: {whole}, in parts {added}");
            }
        }
        assert!(model.gradients(Batch { indices: &[], ..batch }).is_err());
        assert!(model.gradients(Batch { indices: &[300], ..batch }).is_err());
    }
}

const SAMPLES: usize = 48;
const INPUTS: usize = 3;

/// Linear regression whose targets are noisy.
fn regression() -> (Vec<[f32; INPUTS]>, Vec<f32>, Dataset) {
    let random = &mut Random::new(5, Stream::Parity);
    let mut value = || random.range(-1.0, 1.0) as f32;
    let inputs: Vec<[f32; INPUTS]> = (0..SAMPLES).map(|_| [value(), value(), value()]).collect();
    let targets: Vec<f32> =
        inputs.iter().map(|[a, b, c]| 2.0 * a - b + 0.5 * c + 0.4 * value()).collect();
    let features = Features::F32(Arc::new(inputs.concat()));
    let data = Dataset::new(features, &[INPUTS], Targets::values(targets.clone(), 1)).unwrap();
    (inputs, targets, data)
}

/// Squared norm and variance of the gradients of the squared error at these weights, in f64, from
/// the formula: `2 (w·x - y) x`. The variance of a sample, and from it what the norm of the mean
/// has too much.
fn expected(inputs: &[[f32; INPUTS]], targets: &[f32], weights: &[f32]) -> [f64; 2] {
    let gradients: Vec<[f64; INPUTS]> = inputs
        .iter()
        .zip(targets)
        .map(|(x, &y)| {
            let x = x.map(f64::from);
            let product: f64 = x.iter().zip(weights).map(|(x, &w)| x * f64::from(w)).sum();
            x.map(|x| 2.0 * (product - f64::from(y)) * x)
        })
        .collect();
    let samples = gradients.len() as f64;
    let mean: [f64; INPUTS] =
        std::array::from_fn(|i| gradients.iter().map(|g| g[i]).sum::<f64>() / samples);
    let apart =
        gradients.iter().flat_map(|g| g.iter().zip(mean).map(|(g, mean)| (g - mean).powi(2)));
    let variance = apart.sum::<f64>() / (samples - 1.0);
    let squared_norm = mean.iter().map(|mean| mean * mean).sum::<f64>() - variance / samples;
    [squared_norm, variance]
}

fn linear(backend: Backend) -> Model {
    Sequential::new(INPUTS)
        .layer(Dense { use_bias: false, ..Dense::new(1, Activation::Linear) })
        // The weights stay, so that each measurement is of the same gradient.
        .compile(Sgd { learning_rate: 0.0, ..Sgd::default() }, Loss::MeanSquaredError, [])
        .seed(4)
        .build(backend)
        .unwrap()
}

#[test]
fn all_samples_one_by_one_have_the_noise_of_the_formula() {
    let (inputs, targets, data) = regression();
    for backend in [Backend::Cpu(Cpu::new()), Backend::Gpu(gpu())] {
        let mut model = linear(backend);
        let weights = model.weight("dense_1.weight").unwrap();
        let [squared_norm, variance] = expected(&inputs, &targets, &weights);
        let mut noise = GradientNoiseScale::new(&data).parts(SAMPLES).part_size(1);
        model.fit(&data, Fit::new().epochs(2).callback(&mut noise)).unwrap();
        let steps: Vec<u64> = noise.measurements().iter().map(|measured| measured.step).collect();
        assert_eq!(steps, [2, 4]);
        for measured in noise.measurements() {
            assert_relative_eq!(measured.noise.variance, variance, max_relative = 1e-5);
            assert_relative_eq!(measured.noise.squared_norm, squared_norm, max_relative = 1e-5);
        }
        assert_relative_eq!(
            noise.mean().scale().unwrap(),
            variance / squared_norm,
            max_relative = 1e-5
        );
    }
}

/// Parts of several samples, drawn anew each time, tell the same on average.
#[test]
fn parts_of_few_samples_tell_the_same_on_average() {
    let (inputs, targets, data) = regression();
    let mut model = linear(Backend::Cpu(Cpu::new()));
    let weights = model.weight("dense_1.weight").unwrap();
    let [squared_norm, variance] = expected(&inputs, &targets, &weights);
    let mut noise = GradientNoiseScale::new(&data).parts(3).part_size(4).every(1);
    let draws = 3000;
    let fit = Fit::new().batch_size(SAMPLES).epochs(draws).callback(&mut noise);
    model.fit(&data, fit).unwrap();
    let measured: Vec<_> = noise.measurements().iter().map(|measured| measured.noise).collect();
    assert_eq!(measured.len(), draws as usize);
    let error = |values: &dyn Fn(usize) -> f64, mean: f64| {
        let squares: f64 = (0..measured.len()).map(|i| (values(i) - mean).powi(2)).sum();
        squares.sqrt() / measured.len() as f64
    };
    let mean = noise.mean();
    let off = error(&|i| measured[i].variance, mean.variance);
    assert!((mean.variance - variance).abs() < 4.0 * off, "{} {variance}", mean.variance);
    assert!(off < 0.02 * variance);
    let off = error(&|i| measured[i].squared_norm, mean.squared_norm);
    assert!((mean.squared_norm - squared_norm).abs() < 4.0 * off, "{mean:?} {squared_norm}");
    assert!(off < 0.05 * squared_norm);
}

#[test]
fn what_cannot_be_measured_is_refused_and_small_data_is_cut_to_size() {
    let data = digits();
    let fit = |noise: &mut GradientNoiseScale| {
        let mut model = cut(&data).build(Backend::Cpu(Cpu::new())).unwrap();
        model.fit(&data, Fit::new().callback(noise)).map(|_| model)
    };
    let new = || GradientNoiseScale::new(&data);
    let few = synthetic_digits(1, 0).unwrap();
    for (mut noise, reason) in [
        (new().every(0), "every: is 0"),
        (new().part_size(0), "part_size: is 0"),
        (new().parts(1), "parts: are 1 of 300 samples"),
        (GradientNoiseScale::new(&few), "parts: are 32 of 1 samples"),
    ] {
        let error = fit(&mut noise).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
    // 300 samples have no 32 parts of 32: they are 32 of 9.
    let mut noise = new().every(4);
    let model = fit(&mut noise).unwrap();
    assert_eq!((noise.measurements().len(), model.steps()), (2, 10));
    assert!(noise.mean().scale().unwrap() > 1.0);
}

#[test]
fn memory_grows_by_the_rows_of_a_batch() {
    let data = digits();
    for (backend, parameters) in [(Backend::Cpu(Cpu::new()), 4.0), (Backend::Gpu(gpu()), 4.0)] {
        let model = Sequential::new(Input::pixels(data.sample_shape()))
            .dense(128, Activation::Relu)
            .dense(10, Activation::Softmax)
            .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [])
            .build(backend.clone())
            .unwrap();
        let memory = [1000, 2000, 3000].map(|rows| model.memory_for(rows).unwrap());
        // The rest goes by powers of two.
        let [one, two, three] =
            memory.map(|memory| memory.total() - memory.readback - memory.constants);
        assert_eq!(two - one, three - two, "{backend:?}");
        // A row has at least 784 bytes of pixels and 128 + 10 activations with their gradients.
        assert!((two - one) / 1000 > 784 + 4 * 2 * 138, "{backend:?}: {}", (two - one) / 1000);
        // Weights, gradients and two moments, in f32.
        let fixed = 2 * one - two;
        let count = (784 * 128 + 128 + 128 * 10 + 10) as f64 * 4.0 * parameters;
        assert!(fixed as f64 > count && (fixed as f64) < 1.05 * count, "{backend:?}: {fixed}");
    }
}
