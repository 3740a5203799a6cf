//! MNIST with 784-128-10, in batches of 32 and then of 128, five epochs each: the epochs' times side
//! by side. `cargo run --release --example mnist [DIRECTORY]`
//!
//! The directory holds MNIST's four IDX files, plain or gzip-compressed; without it, the variable
//! `MNIST_DIR` names one. Without either it draws digits of its own.

use std::process::ExitCode;

use minibatch::data::{TrainTest, read_idx_dir, synthetic_digits_split};
use minibatch::model::Input;
use minibatch::training::{Backend, EpochRecord, Scores};
use minibatch::{Activation, Adam, Cpu, Evaluate, Fit, Gpu, Loss, Metric, Sequential};

const BATCH_SIZES: [usize; 2] = [32, 128];
const EPOCHS: u32 = 5;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> minibatch::Result<()> {
    let TrainTest { train, test } = data()?;
    println!("{} training samples, {} test samples", train.len(), test.len());
    let backend = match Gpu::new() {
        Ok(gpu) => {
            println!("{}\n", gpu.describe());
            Backend::from(&gpu)
        }
        Err(error) => {
            println!("on the CPU: {error}\n");
            Backend::from(&Cpu::new())
        }
    };

    let network = Sequential::new(Input::pixels(train.sample_shape()))
        .flatten()
        .dense(128, Activation::Relu)
        .dense(train.classes(), Activation::Softmax);
    println!("{}", network.summary());

    let mut histories = Vec::new();
    let mut scores = Vec::new();
    for batch_size in BATCH_SIZES {
        println!("{EPOCHS} epochs in batches of {batch_size} ...");
        let mut model = network
            .clone()
            .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
            .build(backend.clone())?;
        let fit = Fit::new().batch_size(batch_size).epochs(EPOCHS);
        histories.push(model.fit(&train, fit)?.epochs);
        scores.push(model.evaluate(&test, Evaluate::new().batch_size(batch_size))?);
    }

    print!("\nbatch size     ");
    BATCH_SIZES.iter().for_each(|batch_size| print!("{batch_size:>28}"));
    print!("\nsteps an epoch ");
    BATCH_SIZES.iter().for_each(|size| print!("{:>28}", train.len().div_ceil(*size)));
    print!("\n               ");
    BATCH_SIZES.iter().for_each(|_| print!("   seconds    loss  accuracy"));
    println!();
    for epoch in 0..EPOCHS as usize {
        print!("epoch {:<9}", epoch + 1);
        for EpochRecord { seconds, training, .. } in histories.iter().filter_map(|h| h.get(epoch)) {
            print!("{seconds:>10.2}  {}", columns(training));
        }
        println!();
    }
    print!("all epochs     ");
    for history in &histories {
        let seconds: f64 = history.iter().map(|epoch| epoch.seconds).sum();
        print!("{seconds:>10.2}{:18}", "");
    }
    print!("\ntest           ");
    for scores in &scores {
        print!("{:12}{}", "", columns(scores));
    }
    println!();
    Ok(())
}

/// MNIST, or what there is in its place.
fn data() -> minibatch::Result<TrainTest> {
    let named = std::env::var_os("MNIST_DIR").filter(|directory| !directory.is_empty());
    match std::env::args_os().nth(1).or(named) {
        Some(directory) => read_idx_dir(directory.as_ref()),
        None => {
            println!("synthetic digits, not MNIST: no directory given, MNIST_DIR unset");
            synthetic_digits_split(20_000, 2_000, 0)
        }
    }
}

/// Loss and accuracy.
fn columns(scores: &Scores) -> String {
    format!("{:.4}    {:.4}", scores.loss, scores.accuracy().unwrap_or_default())
}
