//! Processes of a distributed run as threads of one, and models and data for them.

use std::sync::Arc;
use std::thread;

use minibatch::data::{Targets, synthetic_digits};
use minibatch::distributed::InProcess;
use minibatch::model::{Compiled, Dense, Dropout, Layer};
use minibatch::{
    Activation, Adam, Backend, Callback, Clip, Control, Cpu, Dataset, Error, Features, Functional,
    Gpu, History, Input, Loss, Metric, Objective, Regularizer, Result, Scores, Sequential, StepEnd,
};

pub(crate) const BATCH: usize = 40;

pub(crate) fn digits(samples: usize) -> Dataset {
    synthetic_digits(samples, 3).unwrap()
}

pub(crate) fn gpu() -> Gpu {
    Gpu::new().unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn backends() -> [Backend; 2] {
    [Backend::from(&Cpu::new().threads(1)), Backend::from(&gpu())]
}

pub(crate) fn adam() -> Adam {
    let clip = Clip::GlobalNorm(0.5);
    Adam { learning_rate: 0.01, weight_decay: 0.02, clip, ..Adam::default() }
}

/// Dropout, a penalty, AdamW with clipping by the norm of all gradients, metrics of every kind of sum.
pub(crate) fn perceptron() -> Compiled {
    let hidden = Dense::new(33, Activation::Relu).weight_regularizer(Regularizer::l2(0.001));
    let metrics = [Metric::Accuracy, Metric::TOP_5, Metric::ConfusionMatrix];
    Sequential::new(Input::pixels(digits(1).sample_shape()))
        .layer(hidden)
        .dropout(0.3)
        .dense(10, Activation::Softmax)
        .compile(adam(), Loss::SparseCategoricalCrossentropy, metrics)
        .seed(5)
}

/// Two inputs, two outputs, one of which is judged by sums over many thresholds.
pub(crate) fn branches() -> Compiled {
    let number = Objective::new(Loss::MeanSquaredError).metrics([Metric::MeanAbsoluteError]);
    let metrics = [Metric::Accuracy, Metric::Auc { thresholds: 50 }];
    let sign = Objective::new(Loss::BinaryCrossentropy { label_smoothing: 0.0 }).metrics(metrics);
    branches_for(number, sign.loss_weight(0.5)).gradient_accumulation_steps(2)
}

/// The same for other losses and metrics of its outputs.
pub(crate) fn branches_for(number: Objective, sign: Objective) -> Compiled {
    let mut model = Functional::new();
    let a = model.input("a", 5);
    let b = model.input("b", 3);
    let both = model.concatenate([a, b]);
    let hidden = model.dense(both, 17, Activation::Tanh);
    let hidden = model.layer(hidden, Layer::Dropout(Dropout { rate: 0.25 }));
    let output = model.dense(hidden, 2, Activation::Linear);
    model.output("number", output);
    let rest = model.concatenate([hidden, b]);
    let output = model.dense(rest, 1, Activation::Sigmoid);
    model.output("sign", output);
    model.compile(adam(), [("number", number), ("sign", sign)]).seed(8)
}

pub(crate) fn branched(samples: usize) -> Dataset {
    let value = |i: usize| ((i * 7919 + 13) % 1009) as f32 / 1009.0 - 0.5;
    let a: Vec<f32> = (0..samples * 5).map(value).collect();
    let b: Vec<f32> = (0..samples * 3).map(|i| value(i * 31 + 7)).collect();
    let sum = |i: usize| a[i * 5] + b[i * 3] * a[i * 5 + 1];
    let numbers: Vec<f32> = (0..samples).flat_map(|i| [sum(i), -sum(i) * b[i * 3 + 2]]).collect();
    let signs: Vec<f32> = (0..samples).map(|i| f32::from(sum(i) > 0.0)).collect();
    let inputs =
        [("a", Features::F32(Arc::new(a)), &[5][..]), ("b", Features::F32(Arc::new(b)), &[3])];
    let targets = [("number", Targets::values(numbers, 2)), ("sign", Targets::values(signs, 1))];
    Dataset::named(inputs, targets).unwrap()
}

/// What `each` makes in every one of so many processes.
pub(crate) fn in_processes<T: Send>(count: usize, each: impl Fn(InProcess) -> T + Sync) -> Vec<T> {
    let each = &each;
    thread::scope(|scope| {
        let processes = InProcess::group(count).into_iter();
        let started: Vec<_> = processes.map(|own| scope.spawn(move || each(own))).collect();
        started.into_iter().map(|process| process.join().unwrap()).collect()
    })
}

/// What of a history must be the same, to the last bit.
pub(crate) fn scores(history: &History) -> Vec<(Scores, Option<Scores>)> {
    let epochs = history.epochs.iter();
    epochs.map(|epoch| (epoch.training.clone(), epoch.validation.clone())).collect()
}

/// Fails at a step of the model's life.
pub(crate) struct StopAt(pub(crate) u64);

impl Callback for StopAt {
    fn batch_end(&mut self, run: &mut dyn Control, _: StepEnd) -> Result<()> {
        match run.steps() == self.0 {
            true => Err(Error::callback("enough of this")),
            false => Ok(()),
        }
    }
}
