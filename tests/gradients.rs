//! The CPU executor's gradients against finite differences, in f64.

use std::sync::Arc;

use minibatch::cpu::CpuExecutor;
use minibatch::data::{Batch, Dataset, Features, Targets};
use minibatch::model::{Dense, Initializer, Input, Regularizer, lower};
use minibatch::program::{Element, Pass, Role, Step};
use minibatch::random::{Random, Stream};
use minibatch::{Activation, Adam, Loss, Sequential};

const ROWS: usize = 9;
const OUTPUTS: usize = 4;
const SEED: u64 = 11;

/// Bytes, and targets that suit the loss; each sample counts differently.
fn data(loss: &Loss) -> Dataset {
    let mut random = Random::new(5, Stream::Parity);
    let bytes = (0..ROWS * 6).map(|_| random.below(256) as u8).collect();
    let mut values = || (0..ROWS * OUTPUTS).map(|_| random.uniform() as f32).collect();
    let targets: Targets = match loss {
        Loss::SparseCategoricalCrossentropy => {
            let labels: Vec<u32> = (0..ROWS as u32).map(|i| i * 7 % OUTPUTS as u32).collect();
            labels.into()
        }
        _ => Targets::values(values(), OUTPUTS),
    };
    let weights = (0..ROWS).map(|i| 0.25 + 0.25 * i as f32).collect();
    Dataset::new(Features::U8(Arc::new(bytes)), &[2, 3], targets)
        .and_then(|data| data.with_sample_weights(weights))
        .unwrap()
}

fn network(activations: [Activation; 3]) -> Sequential {
    Sequential::new(Input::pixels(&[2, 3]))
        .dense(7, activations[0])
        .dense(5, activations[1])
        .dense(OUTPUTS, activations[2])
}

fn largest_relative_error(network: Sequential, loss: Loss) -> f64 {
    let data = data(&loss);
    let compiled = network.compile(Adam::default(), loss, []);
    let program = Arc::new(lower(&compiled).unwrap());
    let mut cpu = CpuExecutor::<f64>::new(Arc::clone(&program));
    let indices: Vec<u32> = (0..ROWS as u32).collect();
    let batch = Batch { data: &data, indices: &indices };

    let parameters: Vec<_> = program.of_role(Role::Parameter).map(|(id, _)| id).collect();
    let mut values: Vec<Vec<f64>> = Vec::new();
    for (number, &id) in (0u32..).zip(&parameters) {
        let buffer = program.buffer(id);
        // Biases too, so that no unit sits at a kink.
        values.push(Initializer::GlorotUniform.values(
            3,
            number,
            buffer.live_rows(0),
            buffer.columns,
        ));
    }
    let set = |cpu: &mut CpuExecutor<f64>, values: &[Vec<f64>]| {
        for (&id, values) in parameters.iter().zip(values) {
            cpu.write(id, values).unwrap();
        }
    };
    let loss_of = |cpu: &mut CpuExecutor<f64>| {
        cpu.clear_metrics();
        // Nothing is updated by a rate of 0, and the same values are dropped each time.
        let step = Step::train(&compiled.optimizer, ROWS, 1, 0.0).with_noise(SEED);
        cpu.run(Pass::Train, batch, &step).unwrap();
        let metrics = cpu.read_metrics();
        let sums = program.of_role(Role::Metric).filter(|(_, sum)| sum.element == Element::Real);
        sums.map(|(id, _)| metrics.sum(id)).sum::<f64>() / ROWS as f64
    };

    set(&mut cpu, &values);
    let step = Step::train(&compiled.optimizer, ROWS, 1, 0.0).with_noise(SEED);
    cpu.run(Pass::Train, batch, &step).unwrap();
    let gradients: Vec<Vec<f64>> =
        program.of_role(Role::ParameterGradient).map(|(id, _)| cpu.read(id, ROWS)).collect();

    const H: f64 = 1e-5;
    let mut worst: f64 = 0.0;
    for p in 0..parameters.len() {
        for i in 0..values[p].len() {
            let original = values[p][i];
            let mut at = |offset: f64| {
                values[p][i] = original + offset;
                set(&mut cpu, &values);
                loss_of(&mut cpu)
            };
            // Four points: the error is of order h^4.
            let (one, two) = (at(H) - at(-H), at(2.0 * H) - at(-2.0 * H));
            let difference = (8.0 * one - two) / (12.0 * H);
            values[p][i] = original;
            let gradient = gradients[p][i];
            // The floor is what rounding of the loss leaves of a difference quotient.
            let error = (gradient - difference).abs() / gradient.abs().max(1e-4);
            worst = worst.max(error);
        }
    }
    worst
}

use Activation::{Gelu, GeluTanh, Linear, Relu, Selu, Sigmoid, Silu, Softmax, Softplus, Tanh};

fn assert_slopes(network: Sequential, loss: Loss) {
    let what = format!("{loss:?} of {network:?}");
    let error = largest_relative_error(network, loss);
    assert!(error < 1e-6, "{what}: {error:e}");
}

#[test]
fn gradients_are_the_slopes_of_the_loss() {
    for [first, second] in [[Tanh, Sigmoid], [Relu, Tanh], [Sigmoid, Linear], [Linear, Relu]] {
        assert_slopes(network([first, second, Softmax]), Loss::SparseCategoricalCrossentropy);
    }
}

#[test]
fn gradients_are_the_slopes_of_every_loss() {
    let smoothing = 0.125;
    for last in [Softmax, Linear] {
        let loss = Loss::CategoricalCrossentropy { label_smoothing: smoothing };
        assert_slopes(network([Tanh, Sigmoid, last]), loss);
    }
    for last in [Sigmoid, Linear] {
        let loss = Loss::BinaryCrossentropy { label_smoothing: smoothing };
        assert_slopes(network([Tanh, Sigmoid, last]), loss);
    }
    let pointwise = [Loss::MeanSquaredError, Loss::MeanAbsoluteError, Loss::Huber { delta: 0.25 }];
    for loss in pointwise {
        for last in [Linear, Sigmoid, Tanh, Relu] {
            assert_slopes(network([Tanh, Sigmoid, last]), loss);
        }
    }
}

#[test]
fn gradients_are_the_slopes_of_the_loss_and_its_regularizers() {
    let network = Sequential::new(Input::pixels(&[2, 3]))
        .layer(Dense::new(7, Tanh).weight_regularizer(Regularizer::l1_l2(0.03, 0.02)))
        .layer(Dense::new(5, Sigmoid).bias_regularizer(Regularizer::l2(0.5)))
        .layer(Dense::new(OUTPUTS, Linear).weight_regularizer(Regularizer::l1(0.1)));
    assert_slopes(network, Loss::MeanSquaredError);
}

#[test]
fn gradients_are_the_slopes_through_every_activation() {
    for first in [
        Activation::LEAKY_RELU,
        Activation::ELU,
        Activation::Elu { alpha: 0.5 },
        Selu,
        Softplus,
        Silu,
        Gelu,
        GeluTanh,
    ] {
        let loss = Loss::SparseCategoricalCrossentropy;
        assert_slopes(network([first, first, Softmax]), loss);
        // As layers of their own, also after a layer that has a function already.
        let stacked = Sequential::new(Input::pixels(&[2, 3]))
            .activation(first)
            .dense(7, Tanh)
            .activation(first)
            .dense(OUTPUTS, Linear)
            .activation(Softmax);
        assert_slopes(stacked, loss);
        assert_slopes(network([Tanh, Tanh, first]), Loss::MeanSquaredError);
        // At the end, after a layer that has a function already.
        let ends = network([Tanh, Tanh, first]);
        assert_slopes(ends.clone().activation(Softmax), loss);
        assert_slopes(ends.activation(Tanh), Loss::MeanSquaredError);
    }
}

#[test]
fn gradients_are_the_slopes_through_dropout_and_layers_without_bias() {
    let network = Sequential::new(Input::pixels(&[2, 3]))
        .dropout(0.2)
        .layer(Dense::new(7, Tanh).without_bias())
        .dropout(0.3)
        .dense(5, Gelu)
        .dropout(0.4)
        .flatten()
        .dense(OUTPUTS, Softmax);
    assert_slopes(network, Loss::SparseCategoricalCrossentropy);
}
