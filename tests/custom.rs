//! Layers, losses and metrics of users' own: closures over graph values.

use minibatch::data::{Dataset, Features, Targets};
use minibatch::model::{CustomObjects, Initializer, Input};
use minibatch::program::{Graph, Value};
use minibatch::training::Backend;
use minibatch::{
    Activation, Adam, Compiled, Cpu, Evaluate, Fit, Gpu, Loss, Metric, Model, Predict, Result,
    Sequential, Verbose,
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

fn trained(layers: Sequential, loss: Loss, backend: impl Into<Backend>) -> Model {
    let layers = layers.dense(OUTPUTS, Activation::Linear);
    let mut model = layers.compile(Adam::new(0.01), loss, []).build(backend).unwrap();
    model.fit(data(), Fit::new().batch_size(16).epochs(3).verbose(Verbose::Silent)).unwrap();
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
    let expected = expected.predict(data(), Predict::new()).unwrap();
    let loss = || Loss::custom("squared_error", squared_error);
    let mut cpu = trained(own(), loss(), &Cpu::new());
    assert_close(&cpu.predict(data(), Predict::new()).unwrap(), &expected);
    let mut gpu = trained(own(), loss(), &Gpu::new().unwrap());
    assert_close(&gpu.predict(data(), Predict::new()).unwrap(), &expected);
}

#[test]
fn a_saved_model_asks_for_them_by_their_names() {
    let mut model = trained(own(), Loss::custom("squared_error", squared_error), &Cpu::new());
    let predicted = model.predict(data(), Predict::new()).unwrap();
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
    assert_eq!(loaded.predict(data(), Predict::new()).unwrap(), predicted);
    loaded.fit(data(), Fit::new().verbose(Verbose::Silent)).unwrap();
}

fn absolute_error(graph: &mut Graph, prediction: &Value, target: &Value) -> Result<Value> {
    graph.map([prediction, target], |[y, target]| (y - target).abs())
}

/// The same, but one value for each sample.
fn mean_absolute_error(graph: &mut Graph, prediction: &Value, target: &Value) -> Result<Value> {
    let errors = absolute_error(graph, prediction, target)?;
    graph.mean(&errors)
}

/// A model that reports the mean absolute error as it is built in and by closures.
fn watched() -> Compiled {
    let of_elements = || Metric::custom("absolute_error", absolute_error);
    let of_samples = || Metric::custom("mean_absolute_error", mean_absolute_error);
    Sequential::new(Input::from(INPUTS))
        .dense(OUTPUTS, Activation::Tanh)
        .compile(
            Adam::new(0.01),
            Loss::MeanSquaredError,
            [Metric::MeanAbsoluteError, of_elements(), of_samples()],
        )
        .weighted_metrics([Metric::MeanAbsoluteError, of_elements(), of_samples()])
}

#[test]
fn metrics_are_those_that_are_built_in_weighted_or_not() {
    let weights: Vec<f32> = (0..SAMPLES).map(|i| (i % 7) as f32 / 4.0).collect();
    let gpu = Gpu::new().unwrap();
    for (backend, tolerance) in [
        (Backend::CpuInF64, 1e-13),
        (Backend::from(&Cpu::new()), 1e-6),
        (Backend::from(&gpu), 1e-6),
    ] {
        let mut model = watched().build(backend).unwrap();
        let check = |scores: &[(String, f64)], prefix: &str| {
            let value = |name: &str| {
                let name = format!("{prefix}{name}");
                scores
                    .iter()
                    .find(|(other, _)| *other == name)
                    .unwrap_or_else(|| panic!("{name}"))
                    .1
            };
            let (plain, weighted) = (value("mae"), value("weighted_mae"));
            assert!(plain > 0.1 && (plain - weighted).abs() > 1e-3, "{plain} and {weighted}");
            for name in ["absolute_error", "mean_absolute_error"] {
                for (own, built_in) in
                    [(value(name), plain), (value(&format!("weighted_{name}")), weighted)]
                {
                    assert!((own - built_in).abs() < tolerance, "{name}: {own}, not {built_in}");
                }
            }
        };
        // 70 samples in batches of 16 leave a batch of 6.
        let fit = Fit::new().batch_size(16).epochs(2).sample_weight(weights.clone());
        let history = model.fit(data(), fit.validation_split(0.2)).unwrap();
        let epoch = history.epochs.last().unwrap();
        check(&epoch.values(), "");
        check(&epoch.values(), "val_");
        let evaluate = Evaluate::new().batch_size(16).sample_weight(weights.clone());
        check(&model.evaluate(data(), evaluate).unwrap().values(), "");
    }
}

#[test]
fn metrics_leave_training_as_it_is() {
    let train = |compiled: Compiled| {
        let mut model = compiled.build(&Cpu::new()).unwrap();
        model.fit(data(), Fit::new().batch_size(16).epochs(2)).unwrap();
        model.weights().unwrap()
    };
    let layers = Sequential::new(Input::from(INPUTS)).dense(OUTPUTS, Activation::Tanh);
    assert_eq!(
        train(watched()),
        train(layers.compile(Adam::new(0.01), Loss::MeanSquaredError, []))
    );
}

#[test]
fn metrics_are_saved_by_their_names() {
    let mut model = watched().build(&Cpu::new()).unwrap();
    let scores = model.evaluate(data(), Evaluate::new()).unwrap();
    let bytes = model.save_bytes().unwrap();
    let load = |objects: &CustomObjects| Model::load_bytes_with(&bytes, &Cpu::new(), objects);

    let one = CustomObjects::new().metric("absolute_error", absolute_error);
    let missing = load(&one).unwrap_err().to_string();
    assert!(missing.contains("have no metric \"mean_absolute_error\""), "{missing}");
    // A loss of that name is no metric.
    let wrong_kind = one.clone().loss("mean_absolute_error", mean_absolute_error);
    assert_eq!(load(&wrong_kind).unwrap_err().to_string(), missing);
    let both = one.metric("mean_absolute_error", mean_absolute_error);
    let mut loaded = load(&both).unwrap();
    assert_eq!(loaded.evaluate(data(), Evaluate::new()).unwrap(), scores);

    // A model that is restored keeps its own metrics, whatever those of the bytes are.
    let layers = Sequential::new(Input::from(INPUTS)).dense(OUTPUTS, Activation::Tanh);
    let own = [Metric::MeanSquaredError];
    let plain = layers.compile(Adam::new(0.01), Loss::MeanSquaredError, own).seed(5);
    let mut plain = plain.build(&Cpu::new()).unwrap();
    plain.restore_bytes(&bytes).unwrap();
    assert_eq!(plain.weights().unwrap(), model.weights().unwrap());
    assert_eq!(plain.evaluate(data(), Evaluate::new()).unwrap().value("absolute_error"), None);
}

#[test]
fn class_indices_are_refused_with_what_to_give_instead() {
    let three = || Sequential::new(Input::from(INPUTS)).dense(OUTPUTS, Activation::Softmax);
    let metric = |name: &str| [Metric::custom(name, absolute_error)];
    let build = |loss, metric| {
        let built = three().compile(Adam::new(0.01), loss, metric).build(&Cpu::new());
        built.map(|_| ()).unwrap_err().to_string()
    };
    let refused = build(Loss::SparseCategoricalCrossentropy, metric("share"));
    for part in ["Custom(\"share\")", "class indices", "CategoricalCrossentropy", "Targets::values"]
    {
        assert!(refused.contains(part), "{refused}");
    }
    for taken in ["", "loss", "counts"] {
        let refused = build(Loss::CATEGORICAL_CROSSENTROPY, metric(taken));
        assert!(refused.contains(&format!("called {taken:?}")), "{refused}");
    }

    let loss = Loss::custom("squared_error", squared_error);
    let mut model = three().compile(Adam::new(0.01), loss, []).build(&Cpu::new()).unwrap();
    let features = Features::F32(std::sync::Arc::new(vec![0.5; SAMPLES * INPUTS]));
    let classes = Dataset::new(features, &[INPUTS], vec![1u32; SAMPLES]).unwrap();
    let refused = model.fit(&classes, Fit::new()).unwrap_err().to_string();
    for part in
        ["class indices", "3 floats", "Targets::values", "1 for its class and 0 for the others"]
    {
        assert!(refused.contains(part), "{refused}");
    }
}
