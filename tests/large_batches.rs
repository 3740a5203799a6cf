//! Batches that do not fit the device run in parts, chosen by themselves.

use std::sync::Arc;

use minibatch::data::{Batch, Dataset, Features, Shuffle, read_idx_dir};
use minibatch::model::{Compiled, Input};
use minibatch::training::{Callback, Control, TrainStart};
use minibatch::{
    Activation, Adam, Cpu, Error, Evaluate, Fit, Gpu, Loss, Metric, Model, Predict, Sequential,
};

/// A device that binds at most so many bytes.
fn binding(bytes: u64) -> Gpu {
    let (device, queue) = pollster::block_on(async {
        let descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
        let adapter = wgpu::Instance::new(descriptor)
            .request_adapter(&wgpu::RequestAdapterOptions::default())
            .await
            .unwrap_or_else(|error| panic!("{error}; run: apt-get install -y mesa-vulkan-drivers"));
        let limits =
            wgpu::Limits { max_storage_buffer_binding_size: bytes, ..wgpu::Limits::default() };
        let descriptor =
            wgpu::DeviceDescriptor { required_limits: limits, ..wgpu::DeviceDescriptor::default() };
        adapter.request_device(&descriptor).await.unwrap()
    });
    Gpu::from_device(device, queue)
}

const SAMPLES: usize = 3000;
const WIDTH: usize = 100;

/// Samples of 400 bytes: floats whose sum tells the class.
fn data(samples: usize) -> Dataset {
    let value = |i: usize| ((i * 7919) % 1009) as f32 / 1009.0 - 0.5;
    let values: Vec<f32> = (0..samples * WIDTH).map(|i| value(i / 3 + i % 7)).collect();
    let class = |row: &[f32]| u32::from(row.iter().sum::<f32>() > 0.0);
    let labels: Vec<u32> = values.chunks(WIDTH).map(class).collect();
    Dataset::new(Features::F32(Arc::new(values)), &[WIDTH], labels).unwrap()
}

fn compiled() -> Compiled {
    Sequential::new(Input::from(WIDTH))
        .dense(16, Activation::Relu)
        .dropout(0.1)
        .dense(2, Activation::Softmax)
        .compile(Adam::new(0.01), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
}

fn weights(model: &mut Model) -> Vec<f32> {
    model.weights().unwrap().into_iter().flat_map(|(_, _, values)| values).collect()
}

/// Keeps what is said when training begins.
#[derive(Default)]
struct Told(Vec<Option<usize>>);

impl Callback for Told {
    fn train_begin(&mut self, _: &mut dyn Control, start: &TrainStart) -> minibatch::Result<()> {
        self.0.push(start.micro_batch_size);
        Ok(())
    }
}

/// Full-batch gradient descent, as one batch of all samples.
fn descend(model: &mut Model, data: &Dataset, epochs: u32) -> (f64, Vec<Option<usize>>) {
    let mut told = Told::default();
    let fit = Fit::new().batch_size(data.len()).epochs(epochs).shuffle(Shuffle::Off);
    let history = model.fit(data, fit.callback(&mut told)).unwrap();
    (history.epochs.last().unwrap().training.loss, told.0)
}

#[test]
fn a_batch_that_the_device_does_not_bind_trains_in_equal_parts() {
    let data = data(SAMPLES);
    let mut whole = compiled().build(&Cpu::new()).unwrap();
    let (expected, _) = descend(&mut whole, &data, 8);
    assert_eq!(whole.micro_batch_size(), None);

    // 2,621 rows of 400 bytes fit: two parts.
    let mut parts = compiled().build(&binding(1 << 20)).unwrap();
    let (loss, told) = descend(&mut parts, &data, 8);
    assert_eq!(parts.micro_batch_size(), Some(SAMPLES / 2));
    assert_eq!(told, [Some(SAMPLES / 2)], "said once");
    assert!((loss - expected).abs() <= 1e-4 * expected, "{loss}, not {expected}");
    for (expected, own) in weights(&mut whole).into_iter().zip(weights(&mut parts)) {
        assert!((expected - own).abs() <= 1e-3, "{own}, not {expected}");
    }
    // What was chosen is chosen once, and smaller batches run as a whole.
    descend(&mut parts, &data.slice(0..40).unwrap(), 1);
    assert_eq!(parts.micro_batch_size(), Some(SAMPLES / 2));

    // The memory budget cuts as the limits do.
    let small = Gpu::new().unwrap_or_else(|error| panic!("{error}")).with_memory_budget(4 << 20);
    let mut parts = compiled().build(&small).unwrap();
    let (loss, _) = descend(&mut parts, &data, 8);
    let rows = parts.micro_batch_size().unwrap();
    assert!(rows < SAMPLES && SAMPLES.div_ceil(SAMPLES.div_ceil(rows)) == rows, "{rows}");
    assert!((loss - expected).abs() <= 1e-4 * expected, "{loss}, not {expected}");
}

#[test]
fn a_step_on_such_a_batch_evaluation_and_prediction_are_cut_too() {
    let data = data(SAMPLES);
    let indices: Vec<u32> = (0..SAMPLES as u32).collect();
    let batch = Batch { data: &data, indices: &indices };
    let mut whole = compiled().build(&Cpu::new()).unwrap();
    let mut parts = compiled().build(&binding(1 << 20)).unwrap();
    let [expected, own] = [&mut whole, &mut parts].map(|model| {
        let arguments = || Evaluate::new().batch_size(SAMPLES);
        let scores = model.evaluate(&data, arguments()).unwrap();
        let outputs = model.predict(&data, Predict::new().batch_size(SAMPLES)).unwrap();
        (scores, outputs)
    });
    assert_eq!(parts.micro_batch_size(), None, "only training is kept in the model");
    assert!((expected.0.loss - own.0.loss).abs() <= 1e-5);
    assert_eq!(expected.0.accuracy(), own.0.accuracy());
    assert_eq!(own.1.len(), 2 * SAMPLES);
    for (expected, own) in expected.1.into_iter().zip(own.1) {
        assert!((expected - own).abs() <= 1e-5, "{own}, not {expected}");
    }
    let [expected, own] =
        [&mut whole, &mut parts].map(|model| model.train_on_batch(batch).unwrap());
    assert!((expected.loss - own.loss).abs() <= 1e-5);
    assert_eq!(parts.micro_batch_size(), Some(SAMPLES / 2));
}

/// A model that learned in parts goes on in the same parts on a device where the batch would fit.
#[test]
fn the_parts_are_kept_in_the_models_file() {
    let data = data(SAMPLES);
    let mut straight = compiled().build(&binding(1 << 20)).unwrap();
    descend(&mut straight, &data, 2);
    let saved = straight.save_bytes().unwrap();
    descend(&mut straight, &data, 3);
    let expected = weights(&mut straight);

    let large = binding(128 << 20);
    let mut loaded = Model::load_bytes(&saved, &large).unwrap();
    let mut restored = compiled().build(&large).unwrap();
    restored.restore_bytes(&saved).unwrap();
    for model in [&mut loaded, &mut restored] {
        assert_eq!(model.micro_batch_size(), Some(SAMPLES / 2));
        descend(model, &data, 3);
        assert_eq!(weights(model), expected);
    }
    let mut whole = compiled().build(&large).unwrap();
    descend(&mut whole, &data, 1);
    assert_eq!(whole.micro_batch_size(), None, "here it fits");
}

#[test]
fn what_was_asked_for_is_not_replaced() {
    let data = data(SAMPLES);
    let small = binding(1 << 20);
    let mut model = compiled().micro_batch_size(700).build(&small).unwrap();
    descend(&mut model, &data, 1);
    assert_eq!(model.micro_batch_size(), Some(700));
    let mut model = compiled().micro_batch_size(2622).build(&small).unwrap();
    let fit = Fit::new().batch_size(SAMPLES);
    let error = model.fit(&data, fit).unwrap_err().to_string();
    assert!(error.contains("binds at most 1048576"), "{error}");
}

#[test]
fn a_model_that_needs_whole_batches_is_refused_with_the_largest_that_fits() {
    let data = data(SAMPLES);
    let normalized = Sequential::new(Input::from(WIDTH))
        .dense(16, Activation::Relu)
        .batch_normalization()
        .dense(2, Activation::Softmax)
        .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, []);
    let mut model = normalized.build(&binding(1 << 20)).unwrap();
    let before = weights(&mut model);
    let mut train =
        |rows: usize| model.fit(&data, Fit::new().batch_size(rows)).map(|_| weights(&mut model));
    let error = train(SAMPLES).unwrap_err();
    assert!(matches!(error, Error::Argument { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("batch_normalization_1 takes statistics of a whole batch"), "{text}");
    assert!(text.contains("give at most 2621"), "{text}");
    assert!(train(2622).is_err());
    assert_ne!(train(2621).unwrap(), before);
    // Outside training it has no statistics of a batch.
    model.evaluate(&data, Evaluate::new().batch_size(SAMPLES)).unwrap();
}

/// Full-batch gradient descent over all 60,000 images of MNIST on a device that binds 128 MiB: as bytes
/// they fit it as a whole, as floats they run in parts. `.ci/long` runs it.
#[test]
#[ignore = "takes long, and needs MNIST; .ci/long runs it"]
fn all_of_mnist_is_one_batch() {
    let directory = std::env::var_os("MNIST_DIR").expect("MNIST_DIR names the directory of MNIST");
    let bytes = read_idx_dir(directory.as_ref()).unwrap().train;
    let Features::U8(pixels) = bytes.inputs()[0].features.clone() else { panic!("bytes") };
    let floats: Vec<f32> = pixels.iter().map(|&pixel| f32::from(pixel) / 255.0).collect();
    let labels = bytes.labels().to_vec();
    let floats = Dataset::new(Features::F32(Arc::new(floats)), &[28, 28], labels).unwrap();
    let gpu = binding(128 << 20);
    let descend = |data: &Dataset, input: Input| {
        let compiled = Sequential::new(input)
            .dense(128, Activation::Relu)
            .dense(10, Activation::Softmax)
            .compile(Adam::new(0.01), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy]);
        let mut model = compiled.build(&gpu).unwrap();
        let fit = Fit::new().batch_size(60_000).epochs(5).shuffle(Shuffle::Off);
        let history = model.fit(data, fit).unwrap();
        println!("{:?}, {:.2} s an epoch", history.epochs.last(), history.epochs[4].seconds);
        let losses: Vec<f64> = history.epochs.iter().map(|epoch| epoch.training.loss).collect();
        (model.micro_batch_size(), losses)
    };
    let (whole, expected) = descend(&bytes, Input::pixels(&[28, 28]));
    let (parts, losses) = descend(&floats, Input::from(784));
    assert_eq!(whole, None);
    assert_eq!(parts, Some(30_000));
    assert!(expected[4] < expected[0], "{expected:?}");
    for (own, expected) in losses.iter().zip(&expected) {
        assert!((own - expected).abs() <= 0.01 * expected, "{own}, not {expected}");
    }
}
