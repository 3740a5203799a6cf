//! Losses and a metric of one's own: the quantile loss, with which a model predicts the value below
//! which 90% of the targets lie, the share that does lie below, and the focal loss, in which what is
//! easily told counts less. Gradients and kernels are derived from what is said here.
//! `cargo run --release --example custom_loss -- [gpu]`

use minibatch::data::{Dataset, Features, Targets};
use minibatch::model::Input;
use minibatch::program::{Graph, Value};
use minibatch::training::Backend;
use minibatch::{
    Activation, Adam, Cpu, Evaluate, Fit, Gpu, Loss, Metric, Result, Sequential, Verbose,
};

const QUANTILE: f64 = 0.9;

/// The error times 0.9 where the prediction is too low, times 0.1 where it is too high.
fn quantile(graph: &mut Graph, prediction: &Value, target: &Value) -> Result<Value> {
    graph.map([prediction, target], |[y, target]| {
        let error = target - y;
        error.if_positive(&error * QUANTILE, &error * (QUANTILE - 1.0))
    })
}

/// `-(1 - p)² · ln p` of the probability `p` that the model gives to the right answer (Lin and others,
/// 2017).
fn focal(graph: &mut Graph, prediction: &Value, target: &Value) -> Result<Value> {
    graph.map([prediction, target], |[p, target]| {
        let right = &target * &p + (1.0 - &target) * (1.0 - &p);
        let right = right.max(1e-6);
        -(1.0 - &right).square() * right.ln()
    })
}

fn main() -> Result<()> {
    let gpu = std::env::args().nth(1).as_deref() == Some("gpu");
    let backend = || -> Result<Backend> {
        Ok(if gpu { Backend::from(&Gpu::new()?) } else { Backend::from(&Cpu::new()) })
    };
    // Noise that is spread evenly from 0 to 1 around a line.
    let x: Vec<f32> = (0..2_000).map(|i| (i as f32 * 0.618).fract() * 2.0 - 1.0).collect();
    let noise = (0..2_000).map(|i| (i as f32 * 0.754_877).fract());
    let y: Vec<f32> = x.iter().zip(noise).map(|(x, noise)| 0.5 * x + noise).collect();
    let above = y.iter().map(|&y| f32::from(u8::from(y > 0.8))).collect();
    let dataset = |values: Vec<f32>| {
        Dataset::new(Features::F32(x.clone().into()), &[1], Targets::values(values, 1))
    };
    let line = dataset(y.clone())?;
    // The share of the targets that are below the prediction.
    let below = Metric::custom("below", |graph, prediction, target| {
        graph.map([prediction, target], |[y, target]| (y - target).if_positive(1.0, 0.0))
    });
    let mut model = Sequential::new(Input::from(1))
        .dense(16, Activation::Tanh)
        .dense(1, Activation::Linear)
        .compile(Adam::new(0.01), Loss::custom("quantile", quantile), [below])
        .build(backend()?)?;
    model.fit(&line, Fit::new().epochs(20).verbose(Verbose::Silent))?;
    let scores = model.evaluate(&line, Evaluate::new())?;
    let below = scores.value("below").unwrap_or_default();
    println!("{:.1}% of the targets are below the prediction", 100.0 * below);

    let mut model = Sequential::new(Input::from(1))
        .dense(16, Activation::Tanh)
        .dense(1, Activation::Sigmoid)
        .compile(
            Adam::new(0.01),
            Loss::custom("focal", focal),
            [Metric::BinaryAccuracy { threshold: 0.5 }],
        )
        .build(backend()?)?;
    model.fit(&dataset(above)?, Fit::new().epochs(5).verbose(Verbose::Line))?;
    Ok(())
}
