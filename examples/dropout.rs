//! MNIST with dropout: 784-512-512-10, 20% dropped after each hidden layer, batches of 128.
//! `cargo run --release --example dropout -- DIRECTORY [gpu]`

use minibatch::data::read_idx_dir;
use minibatch::model::Input;
use minibatch::training::Backend;
use minibatch::{Activation, Adam, Cpu, Evaluate, Fit, Gpu, Loss, Metric, Sequential, Verbose};

fn main() -> minibatch::Result<()> {
    let directory = std::env::args().nth(1).unwrap_or("data/digits-sample".into());
    let data = read_idx_dir(directory.as_ref())?;
    let backend = match std::env::args().nth(2).as_deref() {
        Some("gpu") => Backend::from(&Gpu::new()?),
        _ => Backend::from(&Cpu::new()),
    };
    let mut model = Sequential::new(Input::pixels(data.train.sample_shape()))
        .flatten()
        .dense(512, Activation::Relu)
        .dropout(0.2)
        .dense(512, Activation::Relu)
        .dropout(0.2)
        .dense(data.train.classes(), Activation::Softmax)
        .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
        .build(backend)?;
    let fit = Fit::new().batch_size(128).epochs(20).verbose(Verbose::Line);
    model.fit(&data.train, fit)?;
    let scores = model.evaluate(&data.test, Evaluate::new().batch_size(128))?;
    println!(
        "test: loss: {:.4} - accuracy: {:.4}",
        scores.loss,
        scores.accuracy().unwrap_or_default()
    );
    Ok(())
}
