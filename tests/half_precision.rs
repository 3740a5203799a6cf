//! Half precision: its function against numpy, dynamic loss scaling against Keras, what a step that is
//! skipped leaves alone, and where it is refused.

use std::sync::Arc;

use minibatch::cpu::CpuExecutor;
use minibatch::data::{Batch, Dataset, Features, Shuffle, Targets};
use minibatch::model::{Compiled, lower};
use minibatch::operation::{LossScale, Op};
use minibatch::program::{Pass, Reals, Role};
use minibatch::random::{Random, Stream};
use minibatch::training::{Backend, DataOn};
use minibatch::{
    Activation, Adagrad, Adam, Clip, Cpu, Error, Fit, Gpu, Loss, Metric, Model, Optimizer,
    Precision, RmsProp, Sequential, Sgd, TrainOnBatch,
};
use serde_json::Value;

const LOSS_SCALE: &str = LossScale::NAME;

/// The executors that compute in f32: on the CPU, and on the GPU if it has f16.
fn backends() -> Vec<Backend> {
    let gpu = Gpu::new().unwrap_or_else(|error| panic!("{error}"));
    let gpu = gpu.has_halves().then(|| Backend::from(&gpu));
    std::iter::once(Backend::from(&Cpu::new())).chain(gpu).collect()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The numbers of an array of numbers or of arrays.
fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().flat_map(numbers).collect(),
        value => vec![value.as_f64().unwrap_or_else(|| panic!("not a number: {value}"))],
    }
}

fn single(values: Vec<f64>) -> Vec<f32> {
    values.into_iter().map(|value| value as f32).collect()
}

fn loss_scale(model: &mut Model, column: LossScale) -> f64 {
    model.read_exactly(LOSS_SCALE).unwrap()[column as usize]
}

/// The largest distance between the numbers of two lists.
fn distance(actual: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(actual.len(), expected.len());
    let pairs = actual.iter().zip(expected);
    pairs.map(|(actual, expected)| (actual - expected).abs()).fold(0.0, |most, distance| {
        assert!(!distance.is_nan(), "{actual:?}");
        f64::max(most, distance)
    })
}

/// Trains as `tests/half/generate.py` does, and returns by how much values and weights are off.
fn follow_numpy(backend: Backend) -> [f64; 2] {
    let file = json(include_str!("half/training.json"));
    let features = Features::F32(Arc::new(single(numbers(&file["features"]))));
    let labels: Vec<u32> = numbers(&file["labels"]).into_iter().map(|label| label as u32).collect();
    let data = Dataset::new(features, &[6], labels).unwrap();
    let rate = file["learning_rate"].as_f64().unwrap();
    let mut model = Sequential::new(6)
        .dense(7, Activation::Relu)
        .dense(3, Activation::Linear)
        .compile(Sgd::new(rate), Loss::SparseCategoricalCrossentropy, [])
        .precision(Precision::MixedFloat16)
        .build(backend)
        .unwrap();
    let parts = [("weight", "weights"), ("bias", "biases")];
    let named = |layer: usize, part: &str| format!("dense_{}.{part}", layer + 1);
    for layer in 0..2 {
        for (part, key) in parts {
            let values = single(numbers(&file["begin"][key][layer]));
            model.set_weight(&named(layer, part), &values).unwrap();
        }
    }
    let (mut of_values, mut of_weights) = (0.0f64, 0.0f64);
    let mut skipped = 0.0;
    for (number, step) in file["steps"].as_array().unwrap().iter().enumerate() {
        let indices: Vec<u32> = (0..4).map(|row| (4 * number + row) as u32).collect();
        // The loss of the second batch counts so much that its gradient is beyond f16.
        let weight = if number == 1 { 16.0 } else { 1.0 };
        let batch = TrainOnBatch::new(Batch { data: &data, indices: &indices });
        let before = model.weights().unwrap();
        model.train_on_batch(batch.sample_weight([weight; 4])).unwrap();
        for (name, key) in [("dense_1.output", "hidden"), ("dense_2.output", "logits")] {
            let off = distance(&model.read_exactly(name).unwrap(), &numbers(&step[key]));
            of_values = of_values.max(off);
        }
        for layer in 0..2 {
            for (part, key) in parts {
                let actual = model.read_exactly(&named(layer, part)).unwrap();
                of_weights = of_weights.max(distance(&actual, &numbers(&step[key][layer])));
            }
        }
        if number == 1 {
            assert_eq!(model.weights().unwrap(), before, "a skipped step changed weights");
            skipped += 1.0;
        }
        assert_eq!(loss_scale(&mut model, LossScale::Scale), step["scale"].as_f64().unwrap());
        assert_eq!(loss_scale(&mut model, LossScale::SkippedSteps), skipped);
    }
    [of_values, of_weights]
}

#[test]
fn what_is_computed_is_what_numpy_computes_with_float16() {
    let [values, weights] = follow_numpy(Backend::CpuInF64);
    assert!(values == 0.0 && weights < 1e-13, "{values:e}, {weights:e}");
    for backend in backends() {
        let [values, weights] = follow_numpy(backend);
        // In f32 a number that lies near the middle between two f16 may become the other one, which
        // is off by 2^-10 of it. A gradient is a sum of four samples' products of two such numbers,
        // at most 2.5 and 1, after two layers of such errors; there are five updates.
        let of_gradient = 4.0 * 2.5 * 3.0 / 1024.0 / 4.0;
        assert!(weights < 5.0 * 0.25 * of_gradient, "{weights:e}");
        // Values are sums of seven products with weights that are off, and up to 8 in size.
        assert!(values < 7.0 * 5.0 * 0.25 * of_gradient * 2.5 + 8.0 / 1024.0, "{values:e}");
    }
}

fn optimizer(name: &str) -> Optimizer {
    let clip = Clip::GlobalNorm(0.5);
    match name {
        "adam" => Adam::new(0.01).into(),
        "adam_clipped" => Adam { clip, ..Adam::new(0.01) }.into(),
        "amsgrad" => Adam { amsgrad: true, ..Adam::new(0.01) }.into(),
        "sgd" => Sgd { momentum: 0.9, ..Sgd::new(0.01) }.into(),
        "rms_prop" => RmsProp::new(0.01).into(),
        "adagrad" => Adagrad::new(0.01).into(),
        other => panic!("{other}"),
    }
}

/// The second half of a step alone, on the gradients that Keras was given.
#[test]
fn loss_scaling_is_that_of_keras() {
    let file = json(include_str!("keras/loss_scale.json"));
    let begin = numbers(&file["begin"]);
    let listed = |key: &str, step: usize| numbers(&file[key]).contains(&(step as f64));
    for run in file["runs"].as_array().unwrap() {
        let name = run["optimizer"].as_str().unwrap();
        let optimizer = optimizer(name);
        let compiled = Sequential::new(5)
            .dense(1, Activation::Linear)
            .compile(optimizer, Loss::MeanSquaredError, [])
            .precision(Precision::MixedFloat16);
        let program = Arc::new(lower(&compiled).unwrap());
        let mut executor = CpuExecutor::<f64>::new(Arc::clone(&program));
        let id = |name: &str| program.find(name).unwrap_or_else(|| panic!("no {name}"));
        executor.write(id(LOSS_SCALE), &LossScale::initial()).unwrap();
        executor.write(id("dense_1.weight"), &begin).unwrap();
        if let Some(accumulator) = program.find("dense_1.weight.accumulator") {
            executor.write(accumulator, &[0.1; 5]).unwrap();
        }
        let mut ops = program.ops(Pass::Update).to_vec();
        for op in &mut ops {
            if let Op::AdjustLossScale(adjust) = op {
                adjust.growth_steps = file["growth_steps"].as_u64().unwrap() as u32;
            }
        }
        for (number, expected) in run["steps"].as_array().unwrap().iter().enumerate() {
            let scale = executor.read(id(LOSS_SCALE), 1)[0];
            let own = numbers(&file["gradients"][number]);
            let mut scaled: Vec<f64> = own.iter().map(|gradient| gradient * scale).collect();
            if listed("infinite", number) {
                scaled[3] = f64::INFINITY;
            }
            if listed("no_number", number) {
                scaled[1] = f64::NAN;
            }
            executor.write(id("dense_1.weight.gradient"), &scaled).unwrap();
            let step = optimizer.step(1, number as u64 + 1, 0.01);
            ops.iter().for_each(|op| executor.execute(op, &step));
            let state = executor.read(id(LOSS_SCALE), 1);
            let place = format!("{name}, step {number}");
            assert_eq!(state[0], expected["scale"].as_f64().unwrap(), "{place}");
            assert_eq!(state[1], expected["finite_steps"].as_f64().unwrap(), "{place}");
            let updates = number as f64 + 1.0 - state[LossScale::SkippedSteps as usize];
            assert_eq!(updates, expected["updates"].as_f64().unwrap(), "{place}");
            let weights = executor.read(id("dense_1.weight"), 1);
            // Keras keeps its learning rate in float32.
            let off = distance(&weights, &numbers(&expected["weights"]));
            assert!(off < 1e-8, "{place}: off by {off:e}");
        }
    }
}

/// One sample, whose squared error has the gradient -2 · `target`.
fn one_sample(target: f32) -> Dataset {
    let features = Features::F32(Arc::new(vec![1.0]));
    Dataset::new(features, &[1], Targets::values(vec![target], 1)).unwrap()
}

fn single_weight(optimizer: Adam, precision: Precision) -> Compiled {
    Sequential::new(1)
        .dense(1, Activation::Linear)
        .compile(optimizer, Loss::MeanSquaredError, [])
        .precision(precision)
}

/// Gradients beyond f16 leave weights and moments alone and halve the scale; the first update then is
/// Adam's first one.
#[test]
fn a_step_beyond_f16_changes_nothing_but_the_scale() {
    let data = one_sample(3.0);
    let batch = Batch { data: &data, indices: &[0] };
    for backend in backends() {
        for optimizer in [
            Adam::new(0.01),
            Adam { epsilon_rule: minibatch::EpsilonRule::PyTorch, ..Adam::new(0.01) },
        ] {
            let build = |precision| {
                let mut model = single_weight(optimizer, precision).build(backend.clone()).unwrap();
                model.set_weight("dense_1.weight", &[0.5]).unwrap();
                model
            };
            let (mut half, mut full) = (build(Precision::MixedFloat16), build(Precision::Float32));
            // -5 · 2^15 and -5 · 2^14 are beyond 65,504.
            for (number, scale) in [(1.0, 16_384.0), (2.0, 8_192.0)] {
                half.train_on_batch(batch).unwrap();
                assert_eq!(loss_scale(&mut half, LossScale::Scale), scale);
                assert_eq!(loss_scale(&mut half, LossScale::IsSkipped), 1.0);
                assert_eq!(loss_scale(&mut half, LossScale::SkippedSteps), number);
                assert_eq!(half.weight("dense_1.weight").unwrap(), [0.5]);
                for kept in ["weight.moment_1", "weight.moment_2", "bias.moment_1"] {
                    assert_eq!(half.read(&format!("dense_1.{kept}")).unwrap(), [0.0], "{kept}");
                }
            }
            for _ in 0..3 {
                half.train_on_batch(batch).unwrap();
                full.train_on_batch(batch).unwrap();
                assert_eq!(loss_scale(&mut half, LossScale::IsSkipped), 0.0);
                let [half, full] =
                    [&mut half, &mut full].map(|m| m.weight("dense_1.weight").unwrap()[0]);
                // Adam's steps are of one length, 0.01, whatever the gradient: that of f16 is off by
                // 2^-10 of itself, and the moments of three steps shift it by no more than that.
                assert!((half - full).abs() < 3.0 * 0.01 / 512.0, "{half} {full}");
            }
            // The gradient can be read, without its scale.
            let gradient = half.read("dense_1.weight.gradient").unwrap()[0];
            assert!((-5.1..-4.7).contains(&gradient), "{gradient}");
        }
    }
}

/// What `Model::gradients` finds has no scale, and finding it decides about no step.
#[test]
fn gradients_are_those_of_the_loss() {
    let (small, large) = (one_sample(0.5), one_sample(3.0));
    for backend in backends() {
        let compiled = single_weight(Adam::new(0.01), Precision::MixedFloat16);
        let mut model = compiled.build(backend).unwrap();
        model.set_weight("dense_1.weight", &[0.0]).unwrap();
        let gradients = model.gradients(Batch { data: &small, indices: &[0] }).unwrap();
        for (_, _, values) in gradients {
            assert_eq!(values, [-1.0]);
        }
        let gradients = model.gradients(Batch { data: &large, indices: &[0] }).unwrap();
        assert!(gradients.iter().all(|(_, _, values)| values[0].is_infinite()));
        model.train_on_batch(Batch { data: &small, indices: &[0] }).unwrap();
        assert_eq!(loss_scale(&mut model, LossScale::SkippedSteps), 0.0);
        assert_ne!(model.weight("dense_1.weight").unwrap(), [0.0]);
    }
}

fn digits() -> Dataset {
    minibatch::data::synthetic_digits(96, 1).unwrap()
}

fn classifier(data: &Dataset) -> Compiled {
    Sequential::new(minibatch::model::Input::pixels(data.sample_shape()))
        .dense(24, Activation::Relu)
        .batch_normalization()
        .dropout(0.2)
        .dense(10, Activation::Softmax)
        .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
        .precision(Precision::MixedFloat16)
        .seed(3)
}

fn fit(epochs: u32) -> Fit<'static> {
    Fit::new().epochs(epochs).batch_size(16).shuffle(Shuffle::Full)
}

/// The scale and its counts go on from a file as everything else does.
#[test]
fn a_saved_model_goes_on_with_the_same_bits() {
    let data = digits();
    for backend in backends() {
        let mut whole = classifier(&data).build(backend.clone()).unwrap();
        whole.fit(&data, fit(2)).unwrap();
        let mut begun = classifier(&data).build(backend.clone()).unwrap();
        begun.fit(&data, fit(1)).unwrap();
        let bytes = begun.save_bytes().unwrap();
        assert!(String::from_utf8_lossy(&bytes).contains("mixed_float16"));
        let mut resumed = Model::load_bytes(&bytes, backend).unwrap();
        assert_eq!(loss_scale(&mut resumed, LossScale::FiniteSteps), 6.0);
        resumed.fit(&data, fit(1)).unwrap();
        assert_eq!(resumed.save_bytes().unwrap(), whole.save_bytes().unwrap());
    }
}

/// What is stored as f16, and what is not.
#[test]
fn activations_and_their_gradients_are_halves_and_the_rest_is_not() {
    let program = lower(&classifier(&digits())).unwrap();
    let half = |name: &str| {
        let id = program.find(name).unwrap_or_else(|| panic!("no {name}"));
        program.buffer(id).reals == Reals::Half
    };
    for name in ["dense_1.output", "dense_2.output", "dense_2.output.gradient"] {
        assert!(half(name), "{name}");
    }
    for name in ["dense_1.weight", "dense_1.weight.gradient", "dense_1.weight.moment_1", LOSS_SCALE]
    {
        assert!(!half(name), "{name}");
    }
    let full = lower(&classifier(&digits()).precision(Precision::Float32)).unwrap();
    assert!(!full.has_halves() && full.find(LOSS_SCALE).is_none());
}

/// A loss of the user's own and metrics compute in f32 on what a layer has stored as f16.
#[test]
fn losses_of_ones_own_follow_the_built_in_ones() {
    let data = one_sample(0.5);
    let batch = Batch { data: &data, indices: &[0] };
    for backend in backends() {
        let own = Loss::custom("square", |graph, prediction, target| {
            graph.map([prediction, target], |[y, t]| (y - t).square())
        });
        let models = [own, Loss::MeanSquaredError].map(|loss| {
            let compiled = Sequential::new(1)
                .dense(3, Activation::Tanh)
                .dense(1, Activation::Linear)
                .compile(Sgd::new(0.1), loss, [Metric::MeanAbsoluteError])
                .precision(Precision::MixedFloat16)
                .seed(2);
            let mut model = compiled.build(backend.clone()).unwrap();
            model.train_on_batch(batch).unwrap();
            model.weight("dense_1.weight").unwrap()
        });
        // One rounding to f16 more, 2^-10, of a gradient of about 1, times the learning rate.
        for (own, built_in) in models[0].iter().zip(&models[1]) {
            assert!((own - built_in).abs() < 0.1 * 2.0 / 1024.0, "{own} {built_in}");
        }
    }
}

/// Rows of reals become f16 on their way to the device, whichever way they take: one by one, all at
/// once, or a sample at a time; of a width that is no multiple of what is converted at a time.
#[test]
fn inputs_take_every_way_to_the_device_with_the_same_bits() {
    let gpu = Gpu::new().unwrap_or_else(|error| panic!("{error}"));
    if !gpu.has_halves() {
        return;
    }
    const WIDTH: usize = 45;
    let mut random = Random::new(5, Stream::Parity);
    let values = (0..48 * WIDTH).map(|_| random.range(-3.0, 3.0) as f32).collect();
    let labels: Vec<u32> = (0..48).map(|_| random.below(4) as u32).collect();
    let data = Dataset::new(Features::F32(Arc::new(values)), &[WIDTH], labels).unwrap();
    let bytes = [DataOn::Host, DataOn::Device].map(|place| {
        let compiled = Sequential::new(WIDTH)
            .dense(9, Activation::Tanh)
            .dense(4, Activation::Softmax)
            .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [])
            .precision(Precision::MixedFloat16);
        let mut model = compiled.build(&gpu).unwrap();
        model.fit(&data, fit(2).data_on(place)).unwrap();
        model.save_bytes().unwrap()
    });
    assert_eq!(bytes[0], bytes[1]);
    // What lies there is what the nearest f16 is.
    let mut model = single_weight(Adam::default(), Precision::MixedFloat16).build(&gpu).unwrap();
    for x in [0.1f32, -65_519.0, 1e-7, 3e-8, 2_049.0] {
        let features = Features::F32(Arc::new(vec![x]));
        let data = Dataset::new(features, &[1], Targets::values(vec![0.0], 1)).unwrap();
        model.test_on_batch(Batch { data: &data, indices: &[0] }).unwrap();
        let name = model.program().of_role(Role::Input).next().unwrap().1.name.clone();
        let stored = model.read(&name).unwrap()[0];
        let nearest = (0..=u16::MAX)
            .map(|bits| half::f16::from_bits(bits).to_f32())
            .filter(|half| half.is_finite())
            .min_by(|a, b| (a - x).abs().total_cmp(&(b - x).abs()))
            .unwrap();
        assert_eq!(stored, nearest, "{x:e}");
    }
}

#[test]
fn it_is_refused_where_it_cannot_be_had() {
    let compiled = || single_weight(Adam::default(), Precision::MixedFloat16);
    let refused = compiled().gradient_accumulation_steps(2).build(&Cpu::new());
    let error = refused.err().unwrap();
    assert!(
        matches!(error, Error::Argument { argument: "gradient_accumulation_steps", .. }),
        "{error}"
    );
    // A device as a plain application has it, without the feature.
    let (device, queue) = pollster::block_on(async {
        let descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
        let adapter = wgpu::Instance::new(descriptor)
            .request_adapter(&wgpu::RequestAdapterOptions::default())
            .await
            .unwrap();
        adapter.request_device(&wgpu::DeviceDescriptor::default()).await.unwrap()
    });
    let gpu = Gpu::from_device(device, queue);
    let error = compiled().build(&gpu).err().unwrap();
    assert!(matches!(error, Error::Argument { argument: "precision", .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains(&gpu.info().name) && text.contains("Precision::Float32"), "{text}");
    // All else goes on working there.
    single_weight(Adam::default(), Precision::Float32).build(&gpu).unwrap();
}
