//! A whole training on three executors: GPU, CPU in f32, and the f64 oracle.

use std::collections::HashSet;
use std::sync::Arc;

use super::case::{Values, Worst};
use crate::activation::Activation;
use crate::cpu::CpuExecutor;
use crate::data::{Batch, BatchOrder, Dataset, Features, Shuffle};
use crate::error::Result;
use crate::gpu::{Gpu, GpuExecutor};
use crate::loss::Loss;
use crate::model::{Compiled, Initializer, Input, Sequential, lower};
use crate::optimizer::Adam;
use crate::program::{Element, Pass, Role, Step};

/// The GPU may be off by so many times the f32 CPU executor's own error ...
const SLACK: f64 = 4.0;
/// ... plus this.
const FLOOR: f64 = 1e-6;

const SAMPLES: usize = 77;
const BATCH_SIZE: usize = 16;
const EPOCHS: u32 = 3;

/// Trains a small network for three epochs with a ragged last batch, and compares loss, every
/// activation, every gradient, every parameter and every moment after each step.
pub(super) async fn trajectory(gpu: &Gpu, input_u8: bool) -> Result<Worst> {
    let (compiled, data) = problem(input_u8)?;
    let program = Arc::new(lower(&compiled)?);
    let mut exact = CpuExecutor::<f64>::new(Arc::clone(&program));
    let mut single = CpuExecutor::<f32>::new(Arc::clone(&program));
    let mut device = GpuExecutor::new(gpu, Arc::clone(&program)).await?;
    let weights = program.of_role(Role::Parameter).step_by(2);
    for (layer, (id, weight)) in (0u32..).zip(weights) {
        let values =
            Initializer::GlorotUniform.values(0, layer, weight.live_rows(0), weight.columns);
        exact.write(id, &values)?;
        single.write(id, &values)?;
        device.write(id, &values).await?;
    }
    let in_training: HashSet<_> = program
        .ops(Pass::Train)
        .iter()
        .flat_map(|op| program.parts(&[op.reads(), op.writes()].concat()))
        .collect();
    let mut worst = Worst::default();
    let mut number = 0;
    for epoch in 0..EPOCHS {
        let order = BatchOrder::new(SAMPLES, BATCH_SIZE, Shuffle::Full, 0, epoch);
        for index in 0..order.len() {
            number += 1;
            let batch = Batch { data: &data, indices: order.batch(index) };
            let optimizer = &compiled.optimizer;
            let step = Step::train(optimizer, batch.len(), number, optimizer.learning_rate());
            exact.run(Pass::Train, batch, &step)?;
            single.run(Pass::Train, batch, &step)?;
            device.run(Pass::Train, batch, &step).await?;
            for (id, buffer) in program.buffers() {
                if buffer.element != Element::Real
                    || buffer.role == Role::Arena
                    || !device.is_allocated(id)
                    || !in_training.contains(&id)
                {
                    continue;
                }
                let reference = exact.read(id, batch.len());
                let own = largest_difference(&reference, &single.read(id, batch.len()));
                let error = largest_difference(&reference, &device.read(id, batch.len()).await?);
                let bound = SLACK * own + FLOOR;
                let place = format!("{} after step {number} is off by {error:e}", buffer.name);
                worst = worst.or(Worst { error, bound, place });
            }
        }
    }
    Ok(worst)
}

fn problem(input_u8: bool) -> Result<(Compiled, Dataset)> {
    let mut values = Values::new(1);
    let width = 31;
    let count = SAMPLES * width;
    let (input, features) = if input_u8 {
        let bytes = values.below(count, 256).into_iter().map(|x| x as u8).collect();
        (Input::pixels(&[width]), Features::U8(Arc::new(bytes)))
    } else {
        let floats = values.signed(count).into_iter().map(|x| x as f32).collect();
        (Input::floats(&[width]), Features::F32(Arc::new(floats)))
    };
    let labels: Vec<u32> = values.below(SAMPLES, 10).into_iter().map(|x| x as u32).collect();
    let compiled = Sequential::new(input)
        .dense(33, Activation::Tanh)
        .dense(17, Activation::Sigmoid)
        .dense(10, Activation::Softmax)
        .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, []);
    Ok((compiled, Dataset::new(features, &[width], labels)?))
}

fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
    if a.len() != b.len() {
        return f64::INFINITY;
    }
    a.iter().zip(b).fold(0.0, |worst, (a, b)| {
        let difference = (a - b).abs();
        // A NaN is the worst of all, and max would drop it.
        if difference.is_nan() { f64::INFINITY } else { difference.max(worst) }
    })
}
