//! Two classes of tabular data: 16 ReLU, 32 ReLU with an L2 penalty, 2 sigmoid outputs; batches of
//! 10, 20 epochs, validation data, one line an epoch. `cargo run --release --example two_classes`

use minibatch::data::{Dataset, Features, Targets};
use minibatch::model::{Dense, Regularizer};
use minibatch::random::{Random, Stream};
use minibatch::{Activation, Adam, Cpu, Fit, Loss, Metric, Sequential, Verbose};

/// One person's age, from 13 to 100, and whether a treatment had side effects: 95% of those above
/// 65 had them, 5% of the others. One-hot targets.
fn people(count: usize, seed: u64) -> minibatch::Result<Dataset> {
    let mut random = Random::new(seed, Stream::Shuffle(0));
    let (mut ages, mut targets) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let age = 13 + random.below(88);
        let expected = random.uniform() < 0.95;
        let affected = (age >= 65) == expected;
        ages.push((age - 13) as f32 / 87.0);
        targets.extend(if affected { [0.0, 1.0] } else { [1.0, 0.0] });
    }
    Dataset::new(Features::F32(ages.into()), &[1], Targets::values(targets, 2))
}

fn main() -> minibatch::Result<()> {
    let (train, validation) = (people(2100, 0)?, people(420, 1)?);
    let network = Sequential::new(1)
        .dense(16, Activation::Relu)
        .layer(Dense::new(32, Activation::Relu).weight_regularizer(Regularizer::l2(0.01)))
        .dense(2, Activation::Sigmoid);
    println!("{}", network.summary());
    let mut model = network
        .compile(Adam::new(0.001), Loss::BINARY_CROSSENTROPY, [Metric::Accuracy])
        .build(&Cpu::new())?;
    let fit =
        Fit::new().batch_size(10).epochs(20).validation_data(&validation).verbose(Verbose::Line);
    model.fit(&train, fit)?;
    Ok(())
}
