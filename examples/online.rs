//! Learning from samples as they come: another thread sends them through a channel, and each one is
//! predicted first and then learned, so that every prediction is of a sample that the model has not
//! seen.
//!
//! `cargo run --release --example online`
//!
//! The samples are the points of a plane, and say on which side of a line they lie. Half way, the line
//! turns by 90 degrees: the share of right answers falls, and rises again.

use minibatch::data::{Element, Field, Fields, Samples, Source, Values, Visit};
use minibatch::random::{Random, Stream};
use minibatch::{Activation, Adam, Cpu, Fit, Loss, Predict, Sequential};

const SAMPLES: usize = 4000;

fn main() -> minibatch::Result<()> {
    let fields =
        Fields::new([Field::new("point", Element::F32, &[2])], [Field::class("side", Some(2))])?;
    // The sender waits when 64 samples have not been read yet.
    let (sender, source) = Source::channel(fields, 64);
    let sending = std::thread::spawn(move || -> minibatch::Result<()> {
        let mut random = Random::new(0, Stream::Shuffle(0));
        for number in 0..SAMPLES {
            let (x, y) = (random.range(-1.0, 1.0), random.range(-1.0, 1.0));
            let side = if number < SAMPLES / 2 { x + y > 0.0 } else { x - y > 0.0 };
            let mut sample = sender.samples();
            if let [Values::F32(point), Values::U32(class)] = sample.columns_mut() {
                point.extend([x as f32, y as f32]);
                class.push(u32::from(side));
            }
            sample.complete(1)?;
            sender.send(&sample)?;
        }
        Ok(())
    });

    let mut model = Sequential::new(2)
        .dense(16, Activation::Tanh)
        .dense(2, Activation::Softmax)
        .compile(Adam::new(0.01), Loss::SparseCategoricalCrossentropy, [])
        .build(&Cpu::new())?;
    let mut right = 0;
    for (number, sample) in source.batches(1, &Visit::default())?.enumerate() {
        let sample = sample?;
        let truth = label(&sample);
        let sample = Source::from(sample);
        let outputs = model.predict(&sample, Predict::new())?;
        right += usize::from((outputs[1] > outputs[0]) == (truth == 1));
        model.fit(&sample, Fit::new())?;
        if (number + 1) % 500 == 0 {
            let share = right as f64 / 5.0;
            println!(
                "samples {:>4} to {:>4}: {share:.1}% predicted right",
                number - 498,
                number + 1
            );
            right = 0;
        }
    }
    if let Ok(sent) = sending.join() {
        sent?;
    }
    println!("{} steps, one a sample", model.steps());
    Ok(())
}

/// The class of a single sample.
fn label(sample: &Samples) -> u32 {
    match sample.target("side") {
        Some(Values::U32(labels)) => labels.first().copied().unwrap_or_default(),
        _ => 0,
    }
}
