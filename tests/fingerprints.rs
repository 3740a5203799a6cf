//! Trainings with shuffling, dropout and noise end in the same bits whenever they are run.
//!
//! With `MINIBATCH_FINGERPRINTS=FILE` a line for each training is written to FILE: its name, its
//! backend, and hashes of its history and its final weights. The files of two builds, made on one
//! machine, show whether a change has changed any bit.

use std::fmt::Write;
use std::sync::Arc;

use minibatch::data::{Dataset, Features, Shuffle, Targets, synthetic_digits};
use minibatch::model::{
    BatchNormalization, Compiled, Dense, Dropout, Functional, GaussianNoise, Input, Layer,
    LayerNormalization, Objective, Regularizer,
};
use minibatch::random::{Random, Stream};
use minibatch::training::Backend;
use minibatch::{
    Activation, Adagrad, Adam, Clip, Cpu, Evaluate, Fit, Gpu, Loss, Metric, Predict, RmsProp,
    Sequential, Sgd,
};

/// The 64-bit hash of Fowler, Noll and Vo (FNV-1a).
struct Hash(u64);

impl Hash {
    fn new() -> Self {
        Hash(0xcbf2_9ce4_8422_2325)
    }

    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

const SAMPLES: usize = 203;
const WIDTH: usize = 24;
const CLASSES: usize = 5;

struct Case {
    name: &'static str,
    compiled: Compiled,
    data: Dataset,
    shuffle: Shuffle,
}

fn values(seed: u64, count: usize) -> Vec<f32> {
    let mut random = Random::new(seed, Stream::Parity);
    (0..count).map(|_| random.range(-1.0, 1.0) as f32).collect()
}

fn labels(count: usize) -> Vec<u32> {
    let mut random = Random::new(9, Stream::Parity);
    (0..count).map(|_| random.below(CLASSES as u64) as u32).collect()
}

fn pixels() -> Features {
    let mut random = Random::new(7, Stream::Parity);
    Features::U8(Arc::new((0..SAMPLES * WIDTH).map(|_| random.below(256) as u8).collect()))
}

fn floats() -> Features {
    Features::F32(Arc::new(values(1, SAMPLES * WIDTH)))
}

fn classes(features: Features) -> Dataset {
    Dataset::new(features, &[WIDTH], labels(SAMPLES)).unwrap()
}

fn targets(width: usize) -> Dataset {
    Dataset::new(floats(), &[WIDTH], Targets::values(values(2, SAMPLES * width), width)).unwrap()
}

/// Targets of 0 and 1.
fn flags(width: usize) -> Dataset {
    let flags = values(3, SAMPLES * width).into_iter().map(|x| f32::from(u8::from(x > 0.0)));
    Dataset::new(floats(), &[WIDTH], Targets::values(flags.collect(), width)).unwrap()
}

fn cases() -> Vec<Case> {
    use Activation::{Gelu, Linear, Relu, Selu, Sigmoid, Silu, Softmax, Tanh};
    const SPARSE: Loss = Loss::SparseCategoricalCrossentropy;
    let stack = || Sequential::new(WIDTH);
    let bytes = || Sequential::new(Input::pixels(&[WIDTH]));
    let mut cases = Vec::new();
    let mut add = |name, compiled: Compiled, data, shuffle| {
        let compiled = compiled.seed(17);
        cases.push(Case { name, compiled, data, shuffle });
    };
    add(
        "classifier",
        bytes().dense(32, Relu).dense(CLASSES, Softmax).compile(
            Adam::default(),
            SPARSE,
            [Metric::Accuracy],
        ),
        classes(pixels()),
        Shuffle::Full,
    );
    add(
        "dropout_adam",
        bytes()
            .dense(32, Relu)
            .dropout(0.3)
            .dense(16, Gelu)
            .dropout(0.5)
            .dense(CLASSES, Softmax)
            .compile(Adam::new(0.01), SPARSE, [Metric::Accuracy, Metric::TOP_5]),
        classes(pixels()),
        Shuffle::Full,
    );
    add(
        "noise_momentum",
        stack().gaussian_noise(0.2).dense(20, Tanh).gaussian_noise(0.1).dense(3, Linear).compile(
            Sgd { learning_rate: 0.05, momentum: 0.9, ..Sgd::default() },
            Loss::MeanSquaredError,
            [Metric::MeanAbsoluteError],
        ),
        targets(3),
        Shuffle::Full,
    );
    add(
        "dropout_of_input_nesterov_clipped",
        stack().dropout(0.2).dense(20, Selu).dense(3, Linear).compile(
            Sgd {
                learning_rate: 0.05,
                momentum: 0.8,
                nesterov: true,
                clip: Clip::GlobalNorm(0.5),
                ..Sgd::default()
            },
            Loss::Huber { delta: 0.5 },
            [],
        ),
        targets(3),
        Shuffle::Full,
    );
    add(
        "batch_normalization_dropout_rms_prop",
        stack()
            .dense(20, Linear)
            .batch_normalization()
            .activation(Relu)
            .dropout(0.25)
            .layer(BatchNormalization::new().without_scale())
            .dense(CLASSES, Softmax)
            .compile(
                RmsProp { centered: true, momentum: 0.5, ..RmsProp::default() },
                SPARSE,
                [Metric::Accuracy],
            ),
        classes(floats()),
        Shuffle::Full,
    );
    add(
        "layer_normalization_noise_adagrad",
        stack()
            .dense(20, Silu)
            .layer_normalization()
            .gaussian_noise(0.1)
            .layer(LayerNormalization::new().without_center())
            .dense(2, Sigmoid)
            .compile(
                Adagrad { learning_rate: 0.05, ..Adagrad::default() },
                Loss::BinaryCrossentropy { label_smoothing: 0.1 },
                [Metric::BINARY_ACCURACY, Metric::AUC],
            ),
        flags(2),
        Shuffle::Full,
    );
    // Matrices of many tiles.
    let digits = synthetic_digits(400, 0).unwrap();
    add(
        "digits_dropout_adam",
        Sequential::new(Input::pixels(digits.sample_shape()))
            .dense(128, Relu)
            .dropout(0.2)
            .dense(10, Softmax)
            .compile(Adam::default(), SPARSE, [Metric::Accuracy]),
        digits,
        Shuffle::Full,
    );
    let cost = Regularizer::l1_l2(0.001, 0.002);
    add(
        "costs_dropout_adamw_clipped",
        stack()
            .layer(Dense::new(20, Tanh).weight_regularizer(cost).activity_regularizer(cost))
            .dropout(0.2)
            .layer(Dense::new(3, Linear).bias_regularizer(cost))
            .compile(Adam { clip: Clip::Norm(0.3), ..Adam::adamw() }, Loss::MeanAbsoluteError, []),
        targets(3),
        Shuffle::Full,
    );
    add(
        "accumulated_dropout_amsgrad",
        stack()
            .dense(20, Relu)
            .dropout(0.4)
            .dense(CLASSES, Softmax)
            .compile(
                Adam { amsgrad: true, clip: Clip::Value(0.05), ..Adam::new(0.01) },
                SPARSE,
                [Metric::Accuracy],
            )
            .gradient_accumulation_steps(3),
        classes(floats()),
        Shuffle::Full,
    );
    add(
        "frozen_dropout_sgd",
        stack()
            .layer(Dense::new(20, Gelu).frozen())
            .dropout(0.3)
            .dense(10, Softmax)
            .dropout(0.1)
            .dense(3, Linear)
            .compile(Sgd::new(0.05), Loss::MeanSquaredError, []),
        targets(3),
        Shuffle::Full,
    );
    for (name, activation) in [("fan_out_dropout_adam", Relu), ("fan_out_gelu_noise_adam", Gelu)] {
        let mut model = Functional::new();
        let input = model.input("input", WIDTH);
        let hidden = model.dense(input, 16, activation);
        let left = model.layer(hidden, Layer::Dropout(Dropout { rate: 0.3 }));
        let right =
            model.layer(hidden, Layer::GaussianNoise(GaussianNoise { standard_deviation: 0.1 }));
        let right = model.dense(right, 16, Tanh);
        let sum = model.add([left, right, hidden]);
        let both = model.concatenate([sum, left]);
        let last = model.dense(both, 3, Linear);
        model.output("output", last);
        let objective = Objective::new(Loss::MeanSquaredError);
        let compiled = model.compile(Adam::new(0.01), [("output", objective)]);
        add(name, compiled, targets(3), Shuffle::Full);
    }
    let mut model = Functional::new();
    let input = model.input("a", Input::pixels(&[WIDTH]));
    let other = model.input("b", 4);
    let hidden = model.dense(input, 16, Relu);
    let both = model.concatenate([hidden, other]);
    let trunk = model.layer(both, Layer::Dropout(Dropout { rate: 0.3 }));
    let kind = model.dense(trunk, CLASSES, Softmax);
    let size = model.dense(trunk, 2, Linear);
    model.output("kind", kind);
    model.output("size", size);
    let objectives = [
        ("kind", Objective::new(SPARSE).metrics([Metric::Accuracy])),
        ("size", Objective::new(Loss::MeanSquaredError).loss_weight(0.3)),
    ];
    let data = Dataset::named(
        [
            ("a", pixels(), &[WIDTH][..]),
            ("b", Features::F32(Arc::new(values(5, SAMPLES * 4))), &[4][..]),
        ],
        [("kind", labels(SAMPLES).into()), ("size", Targets::values(values(6, SAMPLES * 2), 2))],
    )
    .unwrap();
    let weights = values(8, SAMPLES).into_iter().map(f32::abs).collect();
    let data = data.with_sample_weights(weights).unwrap();
    add(
        "two_inputs_two_outputs_dropout",
        model.compile(Adam::default(), objectives),
        data,
        Shuffle::Full,
    );
    add(
        "without_shuffling",
        bytes().dense(32, Relu).dense(CLASSES, Softmax).compile(Sgd::new(0.1), SPARSE, []),
        classes(pixels()),
        Shuffle::Off,
    );
    cases
}

/// Hashes of the history, scores and predictions, and of the final weights.
fn fingerprint(case: &Case, backend: Backend) -> [u64; 2] {
    let mut model = case.compiled.clone().build(backend).unwrap();
    let mut scores = Hash::new();
    let mut number = |value: f64| scores.add(&value.to_bits().to_le_bytes());
    // The second batch size leaves another ragged batch, and takes up the optimizer's state.
    for batch_size in [32, 7] {
        let fit =
            Fit::new().batch_size(batch_size).epochs(2).validation_split(0.2).shuffle(case.shuffle);
        for record in model.fit(&case.data, fit).unwrap().epochs {
            let timeless = record.values().into_iter().filter(|(name, _)| name != "seconds");
            timeless.for_each(|(_, value)| number(value));
        }
    }
    let evaluated = model.evaluate(&case.data, Evaluate::new().batch_size(50)).unwrap();
    evaluated.values().into_iter().for_each(|(_, value)| number(value));
    for (_, values) in model.predict_outputs(&case.data, Predict::new()).unwrap() {
        values.into_iter().for_each(|value| number(f64::from(value)));
    }
    let mut weights = Hash::new();
    for (name, _, values) in model.weights().unwrap() {
        weights.add(name.as_bytes());
        values.iter().for_each(|value| weights.add(&value.to_bits().to_le_bytes()));
    }
    [scores.0, weights.0]
}

#[test]
fn trainings_end_in_the_same_bits_every_time() {
    let gpu = Gpu::new().unwrap_or_else(|error| panic!("{error}"));
    let backends = [("cpu", Backend::from(&Cpu::new())), ("gpu", Backend::from(&gpu))];
    let mut text = String::new();
    let mut seen = Vec::new();
    for case in cases() {
        for (name, backend) in &backends {
            let first = fingerprint(&case, backend.clone());
            let second = fingerprint(&case, backend.clone());
            assert_eq!(first, second, "{} on the {name}", case.name);
            let [scores, weights] = first;
            writeln!(text, "{} {name} scores {scores:016x} weights {weights:016x}", case.name)
                .unwrap();
            seen.push(weights);
        }
        // Another seed, and so other initial weights and another order, gives another hash.
        let Case { name, compiled, data, shuffle } = case;
        let other = Case { name, compiled: compiled.seed(18), data, shuffle };
        assert!(!seen.contains(&fingerprint(&other, backends[0].1.clone())[1]), "{name}");
    }
    if let Some(path) = std::env::var_os("MINIBATCH_FINGERPRINTS") {
        std::fs::write(path, text).unwrap();
    }
}
