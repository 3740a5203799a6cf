//! Two inputs, two outputs: a picture of a digit and a number; which digit it is, and the sum of
//! the two. `cargo run --release --example two_inputs`
//!
//! The layers that add are not told the digit: they take it from what is seen in the picture.

use minibatch::callbacks::LambdaCallback;
use minibatch::data::{Dataset, Features, Targets, synthetic_digits};
use minibatch::model::{Dense, Input, Objective};
use minibatch::random::{Random, Stream};
use minibatch::{Activation, Adam, Cpu, Evaluate, Fit, Functional, Loss, Metric, Predict};

const EPOCHS: u32 = 12;

/// `count` synthetic digits, each with a number from 0 to 9 beside it; the numbers once more.
fn additions(count: usize, seed: u64) -> minibatch::Result<(Dataset, Vec<f32>)> {
    let digits = synthetic_digits(count, seed)?;
    let mut random = Random::new(seed, Stream::Shuffle(0));
    let numbers: Vec<f32> = (0..count).map(|_| random.below(10) as f32).collect();
    let sums = digits.labels().iter().zip(&numbers).map(|(&digit, number)| digit as f32 + number);
    let sums = Targets::values(sums.collect(), 1);
    let pictures = digits.inputs()[0].features.clone();
    let data = Dataset::named(
        [
            ("picture", pictures, digits.sample_shape()),
            ("number", Features::F32(numbers.clone().into()), &[1]),
        ],
        [("digit", digits.labels().to_vec().into()), ("sum", sums)],
    )?;
    Ok((data, numbers))
}

fn main() -> minibatch::Result<()> {
    let (train, _) = additions(6000, 0)?;
    let (test, numbers) = additions(1000, 1)?;

    let mut network = Functional::new();
    let picture = network.input("picture", Input::pixels(&[28, 28]));
    let number = network.input("number", 1);
    let seen = network.named("seen", picture, Dense::new(64, Activation::Relu));
    let looked_again = network.named("looked_again", seen, Dense::new(64, Activation::Relu));
    let seen = network.add([seen, looked_again]);
    let digit = network.named("digit", seen, Dense::new(10, Activation::Softmax));
    let both = network.concatenate([seen, number]);
    let both = network.named("both", both, Dense::new(32, Activation::Relu));
    let sum = network.named("sum", both, Dense::new(1, Activation::Linear));
    network.output("digit", digit);
    network.output("sum", sum);
    println!("{}", network.summary());

    let digit = Objective::new(Loss::SparseCategoricalCrossentropy).metrics([Metric::Accuracy]);
    let sum = Objective::new(Loss::MeanSquaredError)
        .loss_weight(0.1)
        .metrics([Metric::MeanAbsoluteError]);
    let mut model =
        network.compile(Adam::default(), [("digit", digit), ("sum", sum)]).build(&Cpu::new())?;

    let mut lines = LambdaCallback::new().on_epoch_end(|_, record| {
        let [loss, val_loss] =
            ["loss", "val_loss"].map(|name| record.value(name).unwrap_or_default());
        println!("Epoch {}/{EPOCHS} - loss: {loss:.4} - val_loss: {val_loss:.4}", record.epoch);
        Ok(())
    });
    let fit = Fit::new().epochs(EPOCHS).validation_split(0.1).callback(&mut lines);
    let history = model.fit(&train, fit)?;

    // The history has each value under its name.
    let shown = history.epochs.iter().filter(|epoch| [1, 2, 4, 8, 12].contains(&epoch.epoch));
    let shown: Vec<_> = shown.collect();
    print!("\n{:20}", "epoch");
    shown.iter().for_each(|epoch| print!("{:>9}", epoch.epoch));
    println!();
    for (name, _) in shown.first().map(|epoch| epoch.values()).unwrap_or_default() {
        print!("{name:20}");
        for epoch in &shown {
            print!("{:>9.4}", epoch.value(&name).unwrap_or(f64::NAN));
        }
        println!();
    }

    println!("\ntest");
    for (name, value) in model.evaluate(&test, Evaluate::new())?.values() {
        println!("{name:20}{value:>9.4}");
    }
    println!("Who guesses gets 0.1 of the digits, and is off by 3.3 in the sum.\n");

    let few = test.slice(0..8)?;
    let mut digits = Vec::new();
    let mut sums = Vec::new();
    for (name, values) in model.predict_outputs(&few, Predict::new())? {
        match name.as_str() {
            "digit" => digits = values.chunks(10).map(largest).collect(),
            _ => sums = values,
        }
    }
    let truth = few.labels().iter().zip(&numbers);
    for ((&digit, number), (seen, sum)) in truth.zip(digits.iter().zip(sums)) {
        let right = digit as f32 + number;
        println!("picture of a {digit}, {number}: seen as a {seen}, sum {sum:5.2} ({right})");
    }
    Ok(())
}

/// The place of the largest value.
fn largest(values: &[f32]) -> usize {
    let places = values.iter().enumerate();
    places.max_by(|(_, a), (_, b)| a.total_cmp(b)).map_or(0, |(place, _)| place)
}
