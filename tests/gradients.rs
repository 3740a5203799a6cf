//! The CPU executor's gradients against finite differences, in f64.

use std::sync::Arc;

use minibatch::cpu::CpuExecutor;
use minibatch::data::{Batch, Dataset, Features};
use minibatch::model::{Input, glorot_uniform, lower};
use minibatch::program::{Pass, Role, Step};
use minibatch::random::{Random, Stream};
use minibatch::{Activation, Adam, Loss, Sequential};

const ROWS: usize = 9;

fn data() -> Dataset {
    let mut random = Random::new(5, Stream::Parity);
    let bytes = (0..ROWS * 6).map(|_| random.below(256) as u8).collect();
    let labels = (0..ROWS).map(|_| random.below(4) as u32).collect();
    Dataset::new(Features::U8(Arc::new(bytes)), &[2, 3], labels).unwrap()
}

fn largest_relative_error(activations: [Activation; 2]) -> f64 {
    let compiled = Sequential::new(Input::pixels(&[2, 3]))
        .dense(7, activations[0])
        .dense(5, activations[1])
        .dense(4, Activation::Softmax)
        .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, []);
    let program = Arc::new(lower(&compiled).unwrap());
    let mut cpu = CpuExecutor::<f64>::new(Arc::clone(&program));
    let data = data();
    let indices: Vec<u32> = (0..ROWS as u32).collect();
    let batch = Batch { data: &data, indices: &indices };

    let parameters: Vec<_> = program.of_role(Role::Parameter).map(|(id, _)| id).collect();
    let mut values: Vec<Vec<f64>> = Vec::new();
    for (number, &id) in (0u32..).zip(&parameters) {
        let buffer = program.buffer(id);
        // Biases too, so that no unit sits at a kink.
        values.push(glorot_uniform(3, number, buffer.live_rows(0), buffer.columns));
    }
    let set = |cpu: &mut CpuExecutor<f64>, values: &[Vec<f64>]| {
        for (&id, values) in parameters.iter().zip(values) {
            cpu.write(id, values).unwrap();
        }
    };
    let loss = |cpu: &mut CpuExecutor<f64>| {
        cpu.clear_metrics();
        cpu.run(Pass::Evaluate, batch, &Step::forward(ROWS)).unwrap();
        cpu.read_metrics().loss_sum / ROWS as f64
    };

    set(&mut cpu, &values);
    let step = Step::train(&compiled.optimizer, ROWS, 1, 0.001);
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
                loss(&mut cpu)
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

#[test]
fn gradients_are_the_slopes_of_the_loss() {
    use Activation::{Linear, Relu, Sigmoid, Tanh};
    for activations in [[Tanh, Sigmoid], [Relu, Tanh], [Sigmoid, Linear], [Linear, Relu]] {
        let error = largest_relative_error(activations);
        assert!(error < 1e-6, "{activations:?}: {error:e}");
    }
}
