//! The library in a few lines: `cargo run --release --example train [DIRECTORY OF IDX FILES]`.

use minibatch::data::read_idx_dir;
use minibatch::model::Input;
use minibatch::{Activation, Adam, Evaluate, Fit, Gpu, Loss, Metric, Sequential};

fn main() -> minibatch::Result<()> {
    let directory = std::env::args().nth(1).unwrap_or("data/digits-sample".into());
    let data = read_idx_dir(directory.as_ref())?;
    let gpu = Gpu::new()?;
    println!("{}", gpu.describe());
    let mut model = Sequential::new(Input::pixels(data.train.sample_shape()))
        .dense(128, Activation::Relu)
        .dense(data.train.classes(), Activation::Softmax)
        .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
        .build(&gpu)?;
    for epoch in model.fit(&data.train, Fit::new().batch_size(32).epochs(5))?.epochs {
        println!("{epoch:?}");
    }
    println!("{:?}", model.evaluate(&data.test, Evaluate::new())?);
    Ok(())
}
