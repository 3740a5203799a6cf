//! MNIST with 784-128-10, batches of 32 and then of 128, five epochs each, side by side.
//! `cargo run --release --example train [DIRECTORY OF IDX FILES]`

use minibatch::data::read_idx_dir;
use minibatch::model::Input;
use minibatch::{Activation, Adam, Evaluate, Fit, Gpu, Loss, Metric, Sequential};

fn main() -> minibatch::Result<()> {
    let directory = std::env::args().nth(1).unwrap_or("data/digits-sample".into());
    let data = read_idx_dir(directory.as_ref())?;
    let gpu = Gpu::new()?;
    println!("{}", gpu.describe());

    let mut histories = Vec::new();
    let mut scores = Vec::new();
    for batch_size in [32, 128] {
        let network = Sequential::new(Input::pixels(data.train.sample_shape()))
            .dense(128, Activation::Relu)
            .dense(data.train.classes(), Activation::Softmax);
        if batch_size == 32 {
            println!("{}", network.summary());
        }
        let mut model = network
            .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
            .build(&gpu)?;
        let fit = Fit::new().batch_size(batch_size).epochs(5);
        histories.push(model.fit(&data.train, fit)?.epochs);
        scores.push(model.evaluate(&data.test, Evaluate::new())?);
    }

    println!("            batches of 32                 batches of 128");
    for (small, large) in histories[0].iter().zip(&histories[1]) {
        print!("Epoch {}/5", small.epoch);
        for epoch in [small, large] {
            let accuracy = epoch.training.accuracy().unwrap_or_default();
            let loss = epoch.training.loss;
            print!("   {:6.2}s  loss {loss:.4}  accuracy {accuracy:.4}", epoch.seconds);
        }
        println!();
    }
    print!("test     ");
    for scores in scores {
        let accuracy = scores.accuracy().unwrap_or_default();
        print!("            loss {:.4}  accuracy {accuracy:.4}", scores.loss);
    }
    println!();
    Ok(())
}
