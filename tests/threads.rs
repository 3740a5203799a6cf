//! A training ends in the same bits whatever the number of threads, because what an operation writes
//! is cut, and never a sum.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use minibatch::cpu::{HostThreads, Threads};
use minibatch::data::{Dataset, Features, Targets, synthetic_digits};
use minibatch::model::{Compiled, Input};
use minibatch::random::{Random, Stream};
use minibatch::{
    Activation, Adagrad, Adam, Cpu, Evaluate, Fit, Loss, Metric, Predict, RmsProp, Sequential, Sgd,
};

/// Threads of a host that counts how often it was called.
struct Counting {
    threads: usize,
    calls: Arc<AtomicUsize>,
}

impl HostThreads for Counting {
    fn count(&self) -> usize {
        self.threads
    }

    fn run(&self, work: &(dyn Fn() + Sync)) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        std::thread::scope(|scope| {
            for _ in 0..self.threads {
                scope.spawn(work);
            }
        });
    }
}

/// `samples` rows of as many values as digits have pixels.
fn values(samples: usize) -> Dataset {
    let mut random = Random::new(1, Stream::Parity);
    let mut values =
        |count: usize| -> Vec<f32> { (0..count).map(|_| random.range(-1.0, 1.0) as f32).collect() };
    let features = Features::F32(Arc::new(values(samples * 784)));
    Dataset::new(features, &[784], Targets::values(values(samples * 3), 3)).unwrap()
}

/// Networks whose layers are large enough to be cut, and sizes that no number of threads divides.
fn cases() -> Vec<(&'static str, Compiled, Dataset)> {
    use Activation::{Gelu, Linear, Relu, Softmax, Tanh};
    let digits = synthetic_digits(301, 0).unwrap();
    let pixels = || Sequential::new(Input::pixels(digits.sample_shape()));
    const SPARSE: Loss = Loss::SparseCategoricalCrossentropy;
    vec![
        (
            "digits",
            pixels().dense(128, Relu).dense(10, Softmax).compile(
                Adam::default(),
                SPARSE,
                [Metric::Accuracy],
            ),
            digits.clone(),
        ),
        (
            "wide",
            pixels().dense(301, Tanh).dropout(0.2).dense(203, Relu).dense(10, Softmax).compile(
                RmsProp::default(),
                SPARSE,
                [Metric::Accuracy],
            ),
            digits.clone(),
        ),
        (
            "values",
            Sequential::new(784)
                .dense(150, Gelu)
                .layer_normalization()
                .dense(150, Tanh)
                .dense(3, Linear)
                .compile(Sgd { momentum: 0.9, ..Sgd::new(0.01) }, Loss::MeanSquaredError, []),
            values(203),
        ),
        (
            "accumulated",
            Sequential::new(784)
                .dense(257, Relu)
                .batch_normalization()
                .dense(3, Linear)
                .compile(Adagrad::default(), Loss::Huber { delta: 0.5 }, [])
                .gradient_accumulation_steps(3),
            values(203),
        ),
        (
            "amsgrad",
            Sequential::new(784)
                .dense(130, Activation::Elu { alpha: 1.0 })
                .dense(3, Linear)
                .compile(Adam { amsgrad: true, ..Adam::default() }, Loss::MeanAbsoluteError, []),
            values(150),
        ),
    ]
}

/// The bits of scores, predictions and weights after batches of 128 and of 50 samples, of which the
/// last ones are smaller.
fn bits(compiled: &Compiled, data: &Dataset, cpu: &Cpu) -> Vec<u64> {
    let mut model = compiled.clone().seed(5).build(cpu).unwrap();
    let mut all = Vec::new();
    for batch_size in [128, 50] {
        let history = model.fit(data, Fit::new().batch_size(batch_size).epochs(1)).unwrap();
        all.push(history.epochs[0].training.loss);
    }
    let scores = model.evaluate(data, Evaluate::new().batch_size(64)).unwrap();
    all.extend(scores.values().into_iter().map(|(_, value)| value));
    let predictions = model.predict(data, Predict::new()).unwrap();
    all.extend(predictions.into_iter().map(f64::from));
    for (_, _, values) in model.weights().unwrap() {
        all.extend(values.into_iter().map(f64::from));
    }
    all.into_iter().map(f64::to_bits).collect()
}

#[test]
fn trainings_have_the_same_bits_with_any_number_of_threads() {
    for (name, compiled, data) in cases() {
        let alone = bits(&compiled, &data, &Cpu::new().threads(1));
        assert!(alone.iter().all(|&bits| f64::from_bits(bits).is_finite()), "{name}");
        for threads in [2, 4, 8] {
            let several = bits(&compiled, &data, &Cpu::new().threads(threads));
            assert!(several == alone, "{name} has other bits with {threads} threads");
        }
        assert!(bits(&compiled, &data, &Cpu::new()) == alone, "{name} on all cores");
        // Threads that were not called would have the same bits too.
        let calls = Arc::new(AtomicUsize::new(0));
        let host = Threads::of_host(Counting { threads: 3, calls: Arc::clone(&calls) });
        assert!(bits(&compiled, &data, &Cpu::on(&host)) == alone, "{name} on a host's threads");
        assert!(calls.load(Ordering::Relaxed) > 10, "{name} was not cut");
    }
}

#[test]
fn a_small_step_stays_on_the_calling_thread() {
    let mut random = Random::new(1, Stream::Parity);
    let features = (0..100 * 8).map(|_| random.range(-1.0, 1.0) as f32).collect();
    let targets = Targets::values((0..100).map(|i| (i % 7) as f32).collect(), 1);
    let data = Dataset::new(Features::F32(Arc::new(features)), &[8], targets).unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let host = Threads::of_host(Counting { threads: 4, calls: Arc::clone(&calls) });
    let mut model = Sequential::new(8)
        .dense(16, Activation::Relu)
        .dense(1, Activation::Linear)
        .compile(Adam::default(), Loss::MeanSquaredError, [])
        .build(&Cpu::on(&host))
        .unwrap();
    model.fit(&data, Fit::new().batch_size(32).epochs(2)).unwrap();
    assert_eq!(calls.load(Ordering::Relaxed), 0);
}
