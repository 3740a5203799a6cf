//! A layer of one's own: gated residual blocks, `y = x + sigmoid(x·Wg + bg) ⊙ tanh(x·W + b)`. Only the
//! forward way is said; gradients and kernels are derived from it.
//! `cargo run --release --example custom_layer -- [gpu]`

use minibatch::data::synthetic_digits;
use minibatch::model::{Initializer, Input};
use minibatch::program::{Graph, Value};
use minibatch::training::Backend;
use minibatch::{
    Activation, Adam, Cpu, Evaluate, Fit, Gpu, Loss, Metric, Result, Sequential, Verbose,
};

fn gated(graph: &mut Graph, x: &Value) -> Result<Value> {
    let units = x.columns();
    let branch = |name: &str, graph: &mut Graph| {
        let (weight, bias) = (format!("{name}_weight"), format!("{name}_bias"));
        let weight = graph.matrix(&weight, [units; 2], Initializer::GlorotUniform, true)?;
        let bias = graph.vector(&bias, units, Initializer::Zeros, true)?;
        graph.dense(x, &weight, Some(&bias))
    };
    let (gate, value) = (branch("gate", graph)?, branch("value", graph)?);
    graph.map([x, &gate, &value], |[x, gate, value]| x + gate.sigmoid() * value.tanh())
}

fn main() -> Result<()> {
    let backend = match std::env::args().nth(1).as_deref() {
        Some("gpu") => Backend::from(&Gpu::new()?),
        _ => Backend::from(&Cpu::new()),
    };
    let (train, test) = (synthetic_digits(2_000, 1)?, synthetic_digits(500, 2)?);
    let mut model = Sequential::new(Input::pixels(train.sample_shape()))
        .flatten()
        .dense(64, Activation::Relu)
        .custom("gated", gated)
        .custom("gated", gated)
        .dense(10, Activation::Softmax)
        .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
        .build(backend)?;
    model.fit(&train, Fit::new().epochs(5).verbose(Verbose::Line))?;
    let scores = model.evaluate(&test, Evaluate::new())?;
    println!("loss {:.4}, accuracy {:.4}", scores.loss, scores.accuracy().unwrap_or_default());
    Ok(())
}
