//! Single steps with class weights, sample weights and metrics that go on from batch to batch, on
//! both executors.

use approx::assert_abs_diff_eq;
use minibatch::data::{Batch, Dataset, Features, Shuffle, Targets};
use minibatch::model::Compiled;
use minibatch::random::{Random, Stream};
use minibatch::training::Backend;
use minibatch::{
    Activation, Adam, Cpu, Error, Evaluate, Fit, Gpu, Loss, Metric, Model, Regularizer, Scores,
    Sequential, TestOnBatch, TrainOnBatch,
};

const WIDTH: usize = 6;
const CLASSES: u64 = 3;
const SAMPLES: usize = 20;

fn backends() -> [Backend; 2] {
    let gpu = Gpu::new().unwrap_or_else(|error| panic!("{error}"));
    [Backend::from(&Cpu::new()), Backend::from(&gpu)]
}

fn features(random: &mut Random) -> Features {
    let values = (0..SAMPLES * WIDTH).map(|_| random.range(-1.0, 1.0) as f32).collect();
    Features::F32(std::sync::Arc::new(values))
}

/// Class indices as targets.
fn classes() -> Dataset {
    let mut random = Random::new(1, Stream::Parity);
    let features = features(&mut random);
    let labels: Vec<u32> = (0..SAMPLES).map(|_| random.below(CLASSES) as u32).collect();
    Dataset::new(features, &[WIDTH], labels).unwrap()
}

/// Targets of 0 and 1.
fn flags() -> Dataset {
    let mut random = Random::new(2, Stream::Parity);
    let features = features(&mut random);
    let flags = (0..SAMPLES).map(|_| random.below(2) as f32).collect();
    Dataset::new(features, &[WIDTH], Targets::values(flags, 1)).unwrap()
}

fn classifier() -> Compiled {
    Sequential::new(WIDTH)
        .dense(5, Activation::Tanh)
        .dense(CLASSES as usize, Activation::Softmax)
        .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
}

/// Its precision is no mean over the batches, and its penalty is no sum over the samples.
fn binary() -> Compiled {
    let layer = minibatch::model::Dense::new(1, Activation::Sigmoid)
        .weight_regularizer(Regularizer::l2(0.01));
    Sequential::new(WIDTH).layer(layer).compile(
        Adam::default(),
        Loss::BINARY_CROSSENTROPY,
        [Metric::Accuracy, Metric::PRECISION, Metric::AUC],
    )
}

fn bits(model: &mut Model) -> Vec<u32> {
    let weights = model.weights().unwrap();
    weights.into_iter().flat_map(|(_, _, values)| values).map(f32::to_bits).collect()
}

fn assert_close(actual: &Scores, expected: &Scores) {
    for ((name, actual), (_, expected)) in actual.values().iter().zip(expected.values()) {
        // Sums of at most SAMPLES f32 values each, in two orders.
        assert!((actual - expected).abs() <= 1e-6, "{name}: {actual}, expected {expected}");
    }
    assert_eq!(actual.values().len(), expected.values().len());
}

const WEIGHTS: [(u32, f32); 2] = [(0, 2.5), (2, 0.25)];

fn step() -> Fit<'static> {
    Fit::new().batch_size(SAMPLES).shuffle(Shuffle::Off)
}

#[test]
fn class_weights_count_as_in_fit() {
    let data = classes();
    let all: Vec<u32> = (0..SAMPLES as u32).collect();
    let batch = Batch { data: &data, indices: &all };
    for backend in backends() {
        let model = || classifier().build(backend.clone()).unwrap();
        let (mut fitted, mut single, mut unweighted) = (model(), model(), model());
        let history = fitted.fit(&data, step().class_weight(WEIGHTS)).unwrap();
        let scores = single.train_on_batch(TrainOnBatch::new(batch).class_weight(WEIGHTS)).unwrap();
        assert_eq!(scores, history.epochs[0].training);
        assert_eq!(bits(&mut single), bits(&mut fitted));
        unweighted.train_on_batch(batch).unwrap();
        assert_ne!(bits(&mut single), bits(&mut unweighted));

        // By hand: the mean of the samples' losses, each times the weight of its class.
        let loss_of = |single: &mut Model, sample: u32| {
            single.test_on_batch(Batch { data: &data, indices: &[sample] }).unwrap().loss
        };
        let weight_of = |sample: u32| {
            let own = WEIGHTS.iter().find(|(class, _)| *class == data.labels()[sample as usize]);
            own.map_or(1.0, |(_, weight)| f64::from(*weight))
        };
        // One of them twice.
        let indices = [3, 17, 3, 9, 12];
        let weighted = indices.iter().map(|&i| weight_of(i) * loss_of(&mut single, i));
        let expected = weighted.sum::<f64>() / indices.len() as f64;
        let batch = TrainOnBatch::new(Batch { data: &data, indices: &indices });
        let scores = single.train_on_batch(batch.class_weight(WEIGHTS)).unwrap();
        assert_abs_diff_eq!(scores.loss, expected, epsilon = 1e-6);
        assert!(weight_of(3) != weight_of(17) || weight_of(3) != weight_of(9));
    }
}

#[test]
fn sample_weights_are_of_the_places_in_the_batch() {
    let data = classes();
    let mut random = Random::new(3, Stream::Parity);
    let weights: Vec<f32> = (0..SAMPLES).map(|_| random.range(0.0, 2.0) as f32).collect();
    let all: Vec<u32> = (0..SAMPLES as u32).rev().collect();
    let reversed: Vec<f32> = weights.iter().rev().copied().collect();
    for backend in backends() {
        let model = || classifier().build(backend.clone()).unwrap();
        // Weights of the data are replaced.
        let weighted = data.clone().with_sample_weights(vec![9.0; SAMPLES]).unwrap();
        let batch = Batch { data: &weighted, indices: &all };
        let evaluated = Evaluate::new().batch_size(SAMPLES).sample_weight(weights.clone());
        let expected = model().evaluate(&data, evaluated).unwrap();
        let arguments = TestOnBatch::new(batch).sample_weight(reversed.clone());
        assert_close(&model().test_on_batch(arguments).unwrap(), &expected);
        let arguments = TrainOnBatch::new(batch).sample_weight(reversed.clone());
        let mut trained = model();
        assert_close(&trained.train_on_batch(arguments).unwrap(), &expected);

        // The sample at two places, weighted 1 and 3, counts twice as much as unweighted.
        let batch = Batch { data: &data, indices: &[5, 5] };
        let plain = trained.test_on_batch(batch).unwrap().loss;
        let arguments = TestOnBatch::new(batch).sample_weight([1.0, 3.0]);
        let weighed = trained.test_on_batch(arguments).unwrap().loss;
        assert_abs_diff_eq!(weighed, 2.0 * plain, epsilon = 1e-6);
    }
}

#[test]
fn metrics_go_on_until_they_are_reset() {
    let data = flags();
    let indices: [&[u32]; 3] = [&[0, 1, 2, 3, 4, 5, 6], &[7, 8], &[9, 10, 11, 12, 13]];
    let batches = indices.map(|indices| Batch { data: &data, indices });
    for backend in backends() {
        let mut model = binary().build(backend).unwrap();
        // What the batches give together, from one evaluation of just these samples.
        let mut together = |count: usize| {
            let part = data.slice(0..indices[..count].concat().len()).unwrap();
            model.evaluate(&part, Evaluate::new()).unwrap()
        };
        let expected = [together(1), together(2), together(3)];
        assert_ne!(expected[0].loss, expected[1].loss);
        for round in 0..2 {
            for (batch, expected) in batches.into_iter().zip(&expected) {
                let last = batch.indices == indices[2];
                let arguments = TestOnBatch::new(batch).reset_metrics(last);
                assert_close(&model.test_on_batch(arguments).unwrap(), expected);
            }
            // The last one has reset them, and a fit or an evaluation between is none of theirs.
            assert_close(&model.test_on_batch(batches[0]).unwrap(), &expected[0]);
            let first = TestOnBatch::new(batches[0]).reset_metrics(false);
            model.test_on_batch(first).unwrap();
            model.evaluate(&data, Evaluate::new()).unwrap();
            let second = TestOnBatch::new(batches[1]).reset_metrics(false);
            assert_close(&model.test_on_batch(second).unwrap(), &expected[1]);
            model.reset_metrics();
            assert_close(&model.test_on_batch(batches[0]).unwrap(), &expected[0]);
            assert_eq!(model.steps(), 0, "round {round}");
        }
    }
}

#[test]
fn the_metrics_of_trained_batches_go_on_too() {
    let data = flags();
    let batches = [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]];
    for backend in backends() {
        let mut fitted = binary().build(backend.clone()).unwrap();
        let part = data.slice(0..12).unwrap();
        let fit = Fit::new().batch_size(4).shuffle(Shuffle::Off);
        let history = fitted.fit(&part, fit).unwrap();
        let mut model = binary().build(backend.clone()).unwrap();
        let mut last = None;
        for indices in &batches {
            let batch = TrainOnBatch::new(Batch { data: &data, indices });
            last = Some(model.train_on_batch(batch.reset_metrics(false)).unwrap());
        }
        assert_close(&last.unwrap(), &history.epochs[0].training);
        assert_eq!(bits(&mut model), bits(&mut fitted));
        assert_eq!(model.steps(), 3);
    }
}

#[test]
fn what_does_not_fit_is_refused_before_anything_changes() {
    let data = classes();
    let batch = Batch { data: &data, indices: &[0, 1, 2] };
    let arguments = || TrainOnBatch::new(batch);
    let nan = f32::NAN;
    for backend in backends() {
        let mut model = classifier().build(backend).unwrap();
        let before = bits(&mut model);
        for (what, arguments) in [
            (
                "class_weight: is given together with sample_weight",
                arguments().class_weight(WEIGHTS).sample_weight([1.0; 3]),
            ),
            ("class_weight: of class 1 is NaN", arguments().class_weight([(1, nan)])),
            ("sample_weight: of sample 2 is NaN", arguments().sample_weight([1.0, 1.0, nan])),
            ("2 weights", arguments().sample_weight([1.0; 2])),
        ] {
            let error = model.train_on_batch(arguments).unwrap_err();
            assert!(matches!(error, Error::Argument { .. } | Error::Shape { .. }));
            let error = error.to_string();
            assert!(error.contains(what), "{error:?} does not speak of {what:?}");
        }
        assert_eq!((model.steps(), bits(&mut model)), (0, before));
    }
}

#[test]
fn a_batch_that_failed_adds_nothing_to_the_metrics() {
    let mut values = vec![0.5f32; 4];
    values[3] = f32::NAN;
    let features = Features::F32(std::sync::Arc::new(values));
    let data = Dataset::new(features, &[1], Targets::values(vec![0.0; 4], 1)).unwrap();
    let compiled = || {
        Sequential::new(1).dense(1, Activation::Linear).compile(
            Adam::default(),
            Loss::MeanSquaredError,
            [],
        )
    };
    for backend in backends() {
        let mut model = compiled().build(backend).unwrap();
        let of = |indices| Batch { data: &data, indices };
        let alone = model.test_on_batch(of(&[0])).unwrap();
        model.test_on_batch(TestOnBatch::new(of(&[0])).reset_metrics(false)).unwrap();
        let broken = TrainOnBatch::new(of(&[3])).reset_metrics(false);
        assert!(matches!(model.train_on_batch(broken), Err(Error::NonFinite { .. })));
        model.set_weight("dense_1.weight", &[1.0]).unwrap();
        model.set_weight("dense_1.bias", &[0.0]).unwrap();
        // (0.5)², and what was before.
        let scores = model.test_on_batch(of(&[1])).unwrap();
        assert_abs_diff_eq!(scores.loss, (alone.loss + 0.25) / 2.0, epsilon = 1e-6);
    }
}

#[test]
fn selected_samples_keep_targets_and_weights() {
    let data = classes().with_sample_weights((0..SAMPLES).map(|i| i as f32).collect()).unwrap();
    let part = data.slice(4..SAMPLES).unwrap();
    let selected = part.select(&[3, 0, 3]).unwrap();
    assert_eq!((selected.len(), selected.classes()), (3, data.classes()));
    for (place, index) in [(0, 3), (1, 0), (2, 3)] {
        let (own, expected) = (selected.sample(place).unwrap(), part.sample(index).unwrap());
        assert_eq!(own.input(0), expected.input(0));
        assert_eq!(own.target(0), expected.target(0));
        assert_eq!(own.weight(0), (4 + index) as f32);
    }
    assert!(part.select(&[0, SAMPLES as u32 - 4]).is_err());
}
