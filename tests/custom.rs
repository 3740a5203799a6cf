//! Layers and losses of users' own: closures over graph values.

use minibatch::data::{Dataset, Features, Targets};
use minibatch::model::{CustomObjects, Initializer, Input};
use minibatch::program::{Graph, Value};
use minibatch::{
    Activation, Adam, Cpu, Fit, Gpu, Loss, Model, Predict, Result, Sequential, Verbose,
};

const SAMPLES: usize = 70;
const INPUTS: usize = 5;
const OUTPUTS: usize = 3;

fn data() -> Dataset {
    let wave = |count: usize, step: f32| (0..count).map(|i| (step * i as f32).sin()).collect();
    let features = Features::F32(std::sync::Arc::new(wave(SAMPLES * INPUTS, 0.7)));
    let targets = Targets::values(wave(SAMPLES * OUTPUTS, 1.3), OUTPUTS);
    Dataset::new(features, &[INPUTS], targets).unwrap()
}

/// A dense layer of four units and tanh, said as an expression.
fn dense_tanh(graph: &mut Graph, x: &Value) -> Result<Value> {
    let weight = graph.matrix("weight", [x.columns(), 4], Initializer::GlorotUniform, true)?;
    let bias = graph.vector("bias", 4, Initializer::Zeros, true)?;
    let product = graph.dense(x, &weight, Some(&bias))?;
    graph.map([&product], |[x]| x.tanh())
}

fn squared_error(graph: &mut Graph, prediction: &Value, target: &Value) -> Result<Value> {
    graph.map([prediction, target], |[y, target]| (y - target).square())
}

fn trained(
    layers: Sequential,
    loss: Loss,
    backend: impl Into<minibatch::training::Backend>,
) -> Model {
    let layers = layers.dense(OUTPUTS, Activation::Linear);
    let mut model = layers.compile(Adam::new(0.01), loss, []).build(backend).unwrap();
    model.fit(&data(), Fit::new().batch_size(16).epochs(3).verbose(Verbose::Silent)).unwrap();
    model
}

fn own() -> Sequential {
    Sequential::new(Input::from(INPUTS)).custom("dense_tanh", dense_tanh)
}

fn assert_close(a: &[f32], b: &[f32]) {
    assert_eq!(a.len(), SAMPLES * OUTPUTS);
    for (a, b) in a.iter().zip(b) {
        assert!((a - b).abs() < 2e-5, "{a}, not {b}");
    }
}

#[test]
fn they_train_as_the_built_in_ones_on_both_executors() {
    let built_in = Sequential::new(Input::from(INPUTS)).dense(4, Activation::Tanh);
    let mut expected = trained(built_in, Loss::MeanSquaredError, &Cpu::new());
    let expected = expected.predict(&data(), Predict::new()).unwrap();
    let loss = || Loss::custom("squared_error", squared_error);
    let mut cpu = trained(own(), loss(), &Cpu::new());
    assert_close(&cpu.predict(&data(), Predict::new()).unwrap(), &expected);
    let mut gpu = trained(own(), loss(), &Gpu::new().unwrap());
    assert_close(&gpu.predict(&data(), Predict::new()).unwrap(), &expected);
}

#[test]
fn a_saved_model_asks_for_them_by_their_names() {
    let mut model = trained(own(), Loss::custom("squared_error", squared_error), &Cpu::new());
    let predicted = model.predict(&data(), Predict::new()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    model.save(&path).unwrap();

    let error = |objects: &CustomObjects| {
        Model::load_with(&path, &Cpu::new(), objects).unwrap_err().to_string()
    };
    let none = error(&CustomObjects::new());
    assert!(none.contains("no layer \"dense_tanh\""), "{none}");
    assert_eq!(Model::load(&path, &Cpu::new()).unwrap_err().to_string(), none);
    let no_loss = error(&CustomObjects::new().layer("dense_tanh", dense_tanh));
    assert!(no_loss.contains("no loss \"squared_error\""), "{no_loss}");

    let objects =
        CustomObjects::new().layer("dense_tanh", dense_tanh).loss("squared_error", squared_error);
    let mut loaded = Model::load_with(&path, &Cpu::new(), &objects).unwrap();
    assert_eq!(loaded.predict(&data(), Predict::new()).unwrap(), predicted);
    loaded.fit(&data(), Fit::new().verbose(Verbose::Silent)).unwrap();
}
