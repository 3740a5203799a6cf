//! What a batch size does, on the smallest data there is: x = y = 1 to 6, one dense unit, mean
//! absolute error. `cargo run --release --example six_samples`

use minibatch::data::{Dataset, Features, Targets};
use minibatch::{Activation, Adam, Cpu, Fit, Loss, Sequential, Verbose};

fn main() -> minibatch::Result<()> {
    let numbers: Vec<f32> = (1..=6).map(|i| i as f32).collect();
    let data =
        Dataset::new(Features::F32(numbers.clone().into()), &[1], Targets::values(numbers, 1))?;
    for (what, batch_size) in [
        ("batches of 6, the whole set: one step an epoch", Some(6)),
        ("batches of 3: two steps an epoch", Some(3)),
        ("no batch size given: 32, so one step of six samples", None),
    ] {
        println!("\n{what}");
        let mut model = Sequential::new(1)
            .dense(1, Activation::Linear)
            .compile(Adam::default(), Loss::MeanAbsoluteError, [])
            .build(&Cpu::new())?;
        let mut fit = Fit::new().epochs(3).verbose(Verbose::Line);
        if let Some(batch_size) = batch_size {
            fit = fit.batch_size(batch_size);
        }
        model.fit(&data, fit)?;
        println!(
            "weight {:?}, bias {:?}",
            model.weight("dense_1.weight")?,
            model.weight("dense_1.bias")?
        );
    }
    Ok(())
}
