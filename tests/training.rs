//! fit, evaluate, predict, save and load, on both executors.

#[path = "support/unfused.rs"]
mod unfused;

use std::path::Path;
use std::sync::Arc;

use approx::{abs_diff_eq, assert_abs_diff_eq, assert_abs_diff_ne};
use minibatch::cpu::CpuExecutor;
use minibatch::data::{Dataset, Features, Shuffle, TrainTest, read_idx_dir, synthetic_digits};
use minibatch::model::{Dense, Initializer, Input, lower};
use minibatch::program::Placement;
use minibatch::training::{Backend, Callback, Control, EpochRecord, Scores, StepEnd};
use minibatch::{
    Activation, Adagrad, Adam, Clip, Cpu, Error, Evaluate, Fit, Gpu, Loss, Metric, Model,
    Optimizer, Predict, RmsProp, Sequential, Sgd,
};
use unfused::unfused;

fn gpu() -> Gpu {
    Gpu::new().unwrap_or_else(|error| panic!("{error}"))
}

fn backends() -> [Backend; 2] {
    [Backend::from(&Cpu::new()), Backend::from(&gpu())]
}

fn network(data: &Dataset, hidden: usize, seed: u64, backend: impl Into<Backend>) -> Model {
    Sequential::new(Input::pixels(data.sample_shape()))
        .dense(hidden, Activation::Relu)
        .dense(data.classes(), Activation::Softmax)
        .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
        .seed(seed)
        .build(backend)
        .unwrap()
}

fn weights(model: &mut Model) -> Vec<u32> {
    ["dense_1.weight", "dense_1.bias", "dense_2.weight", "dense_2.bias"]
        .iter()
        .flat_map(|name| model.weight(name).unwrap())
        .map(f32::to_bits)
        .collect()
}

#[test]
fn a_network_learns_digits_and_both_executors_agree() {
    let data = synthetic_digits(3750, 1).unwrap();
    let (train, test) = data.split_last(0.2).unwrap();
    let [cpu, gpu] = backends().map(|backend| {
        let mut model = network(&train, 64, 0, backend);
        let history = model.fit(&train, Fit::new().epochs(8)).unwrap();
        (history, model.evaluate(&test, Evaluate::new()).unwrap())
    });
    for (a, b) in cpu.0.epochs.iter().zip(&gpu.0.epochs) {
        let bound = if a.epoch == 1 { 0.005 } else { 0.03 };
        let (a, b) = (a.training.loss, b.training.loss);
        assert_abs_diff_eq!(a, b, epsilon = bound * a);
    }
    for (_, scores) in [&cpu, &gpu] {
        // Chance is 10%; a linear classifier stays below 80% with so few samples.
        assert!(scores.accuracy().unwrap() > 0.85, "{scores:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_bits() {
    let data = synthetic_digits(200, 0).unwrap();
    for backend in backends() {
        let train = |seed| {
            let mut model = network(&data, 33, seed, backend.clone());
            model.fit(&data, Fit::new().batch_size(48).epochs(2)).unwrap();
            weights(&mut model)
        };
        let first = train(0);
        assert_eq!(first, train(0));
        assert_ne!(first, train(1));
    }
}

#[test]
fn bits_do_not_depend_on_what_the_device_ran_before() {
    let data = synthetic_digits(200, 0).unwrap();
    for backend in backends() {
        let mut fresh = network(&data, 16, 0, backend.clone());
        let mut used = network(&data, 16, 0, backend.clone());
        // Larger buffers, full of another batch, and metrics read at every step.
        used.evaluate(&data, Evaluate::new().batch_size(200)).unwrap();
        used.predict(&data, Predict::new().batch_size(150)).unwrap();
        let mut watch = Watch { every: 1, ..Watch::default() };
        fresh.fit(&data, Fit::new().batch_size(7)).unwrap();
        used.fit(&data, Fit::new().batch_size(7).callback(&mut watch)).unwrap();
        assert_eq!(weights(&mut fresh), weights(&mut used));
    }
}

#[test]
fn any_batch_size_from_one_to_the_whole_set() {
    let data = synthetic_digits(65, 0).unwrap();
    for backend in backends() {
        for batch_size in [1, 2, 64, 65, 1000] {
            let mut model = network(&data, 8, 0, backend.clone());
            let fit = Fit::new().batch_size(batch_size);
            let history = model.fit(&data, fit).unwrap();
            assert_eq!(model.steps(), 65usize.div_ceil(batch_size) as u64);
            assert!(history.epochs[0].training.loss.is_finite());
        }
        let mut model = network(&data, 8, 0, backend);
        let whole = model.evaluate(&data, Evaluate::new().batch_size(65)).unwrap();
        for batch_size in [1, 7, 64] {
            let parts = model.evaluate(&data, Evaluate::new().batch_size(batch_size)).unwrap();
            assert_abs_diff_eq!(whole.loss, parts.loss, epsilon = 1e-6);
            assert_eq!(whole.accuracy(), parts.accuracy());
        }
    }
}

#[test]
fn a_ragged_batch_is_the_mean_over_its_own_samples() {
    // One step on 5 samples is the same whether the buffers hold 5 or 64.
    let data = synthetic_digits(69, 0).unwrap();
    let tail = data.slice(64..69).unwrap();
    for backend in backends() {
        let mut exact = network(&data, 8, 0, backend.clone());
        exact.fit(&tail, Fit::new().batch_size(5).shuffle(Shuffle::Off)).unwrap();
        let mut roomy = network(&data, 8, 0, backend.clone());
        roomy.evaluate(&data, Evaluate::new().batch_size(64)).unwrap();
        roomy.fit(&tail, Fit::new().batch_size(64).shuffle(Shuffle::Off)).unwrap();
        assert_eq!(weights(&mut exact), weights(&mut roomy));
    }
}

#[derive(Default)]
struct Watch {
    every: usize,
    stop_after: Option<usize>,
    steps: usize,
    running: Vec<Scores>,
    records: Vec<EpochRecord>,
}

impl Callback for Watch {
    fn wants_scores(&mut self, step: StepEnd) -> bool {
        self.every > 0 && step.step.is_multiple_of(self.every)
    }
    fn scores(&mut self, _step: StepEnd, scores: &Scores) {
        self.running.push(scores.clone());
    }
    fn batch_end(&mut self, run: &mut dyn Control, _step: StepEnd) -> minibatch::Result<()> {
        self.steps += 1;
        if self.stop_after == Some(self.steps) {
            run.stop();
        }
        Ok(())
    }
    fn epoch_end(&mut self, _run: &mut dyn Control, record: &EpochRecord) -> minibatch::Result<()> {
        self.records.push(record.clone());
        Ok(())
    }
}

#[test]
fn callbacks_see_each_epoch_and_can_stop() {
    let data = synthetic_digits(100, 0).unwrap();
    for backend in backends() {
        let mut model = network(&data, 8, 0, backend);
        let mut watch = Watch { every: 5, ..Watch::default() };
        let fit = Fit::new().batch_size(10).epochs(2).validation_split(0.25);
        let history = model.fit(&data, fit.callback(&mut watch)).unwrap();
        assert_eq!(watch.records, history.epochs);
        assert_eq!(watch.steps, 16, "75 samples in batches of 10, twice");
        assert_eq!(watch.running.len(), 2);
        assert!(history.epochs.iter().all(|epoch| epoch.validation.is_some()));
        assert!(!history.stopped);

        let mut watch = Watch { stop_after: Some(3), ..Watch::default() };
        let fit = Fit::new().batch_size(10).epochs(2).callback(&mut watch);
        let history = model.fit(&data, fit).unwrap();
        assert!(history.stopped);
        assert_eq!((watch.steps, history.epochs.len()), (3, 1));
    }
}

#[test]
fn stopping_inside_an_epoch_ends_it_there_and_validates() {
    let data = synthetic_digits(100, 0).unwrap();
    let (train, held_out) = data.split_last(0.25).unwrap();
    for backend in backends() {
        let mut model = network(&data, 8, 0, backend);
        let mut watch = Watch { stop_after: Some(3), ..Watch::default() };
        let fit = Fit::new().batch_size(10).epochs(2).validation_data(&held_out);
        let history = model.fit(&train, fit.callback(&mut watch)).unwrap();
        assert_eq!((watch.steps, history.epochs.len(), model.steps()), (3, 1, 3));
        let scores = model.evaluate(&held_out, Evaluate::new().batch_size(10)).unwrap();
        assert_eq!(history.epochs[0].validation.as_ref(), Some(&scores));
    }
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_changes() {
    let data = synthetic_digits(40, 0).unwrap();
    let floats = Features::F32(Arc::new(vec![0.0; 40 * 784]));
    let floats = Dataset::new(floats, &[28, 28], vec![0; 40]).unwrap();
    let small = Dataset::new(Features::U8(Arc::new(vec![0; 40])), &[1], vec![0; 40]).unwrap();
    let pixels = Features::U8(Arc::new(vec![0; 40 * 784]));
    let labels: Vec<u32> = (0..40).map(|i| if i == 7 { 10 } else { 0 }).collect();
    let label = Dataset::new(pixels, &[28, 28], labels).unwrap();
    for backend in backends() {
        let mut model = network(&data, 8, 0, backend);
        let before = weights(&mut model);
        let mut refused = |what: &str, data: &Dataset, fit: Fit<'_>| {
            let error = model.fit(data, fit).unwrap_err().to_string();
            assert!(error.contains(what), "{error:?} does not speak of {what:?}");
        };
        refused("batch_size: is 0", &data, Fit::new().batch_size(0));
        refused("epochs: is 0", &data, Fit::new().epochs(0));
        refused("steps_per_epoch: is 0", &data, Fit::new().steps_per_epoch(0));
        refused("make 2 steps", &data, Fit::new().steps_per_epoch(3));
        refused("validation_split", &data, Fit::new().validation_split(1.0));
        refused("validation_split", &data, Fit::new().validation_split(-0.5));
        refused("validation_split", &data, Fit::new().validation_split(f64::NAN));
        refused("initial_epoch: is 2, and epochs 2", &data, Fit::new().initial_epoch(2).epochs(2));
        let validated = || Fit::new().validation_data(&data);
        refused("validation_steps: is 0", &data, validated().validation_steps(0));
        refused("validation_steps: is 3; 40", &data, validated().validation_steps(3));
        refused("validation_batch_size: is 0", &data, validated().validation_batch_size(0));
        refused("validation_freq: is 0", &data, validated().validation_freq(0));
        refused("validation_freq: is an empty", &data, validated().validation_freq(vec![]));
        refused("validation_freq: has an epoch 0", &data, validated().validation_freq([1, 0]));
        refused("validation_steps: is given", &data, Fit::new().validation_steps(1));
        refused("validation_batch_size: is given", &data, Fit::new().validation_batch_size(1));
        refused("validation_freq: is given", &data, Fit::new().validation_freq(1));
        let both = Fit::new().validation_split(0.5).validation_data(&data);
        refused("validation_data", &data, both);
        refused("samples of 784 floats", &floats, Fit::new());
        refused("samples of 1 bytes", &small, Fit::new());
        refused("sample 7 has label 10", &label, Fit::new());
        refused("sample 7 has label 10", &data, Fit::new().validation_data(&label));
        let empty = data.slice(3..3).unwrap();
        refused("no sample", &empty, Fit::new());
        assert!(model.evaluate(&empty, Evaluate::new()).is_err());
        assert!(model.evaluate(&data, Evaluate::new().batch_size(0)).is_err());
        assert!(model.predict(&data, Predict::new().batch_size(0)).is_err());
        for steps in [0, 3] {
            let error = model.evaluate(&data, Evaluate::new().steps(steps)).unwrap_err();
            assert!(error.to_string().contains(&format!("steps: is {steps}; 40")), "{error}");
            assert!(model.predict(&data, Predict::new().steps(steps)).is_err());
        }
        assert!(model.predict(&floats, Predict::new()).is_err());
        assert!(model.set_weight("dense_3.bias", &[0.0]).is_err());
        assert!(model.set_weight("dense_1.bias", &[0.0]).is_err());
        assert_eq!((model.steps(), before), (0, weights(&mut model)));
    }
}

#[test]
fn models_that_cannot_be_are_refused() {
    let build = |model: Sequential, adam: Adam| {
        model
            .compile(adam, Loss::SparseCategoricalCrossentropy, [])
            .build(&Cpu::new())
            .unwrap_err()
            .to_string()
    };
    let softmax = |units| Sequential::new(4).dense(units, Activation::Softmax);
    let adam = Adam::default();
    for (what, error) in [
        ("at least one dense layer", build(Sequential::new(4), adam)),
        (
            "SparseCategoricalCrossentropy needs Softmax",
            build(Sequential::new(4).dense(2, Activation::Relu), adam),
        ),
        ("dimension of 0", build(softmax(0), adam)),
        ("at least 1", build(Sequential::new(0).dense(2, Activation::Softmax), adam)),
        ("2^32", build(softmax(usize::MAX / 2), adam)),
        ("learning_rate: is -1", build(softmax(2), Adam::new(-1.0))),
        ("learning_rate: is NaN", build(softmax(2), Adam::new(f64::NAN))),
        ("beta_1: is 1", build(softmax(2), Adam { beta_1: 1.0, ..adam })),
        ("beta_2: is -1", build(softmax(2), Adam { beta_2: -1.0, ..adam })),
        (
            "negative_slope: is -0.1",
            build(
                Sequential::new(4)
                    .dense(3, Activation::LeakyRelu { negative_slope: -0.1 })
                    .dense(2, Activation::Softmax),
                adam,
            ),
        ),
        (
            "initializer: is Constant(NaN)",
            build(
                Sequential::new(4).layer(
                    Dense::new(2, Activation::Softmax)
                        .bias_initializer(Initializer::Constant(f64::NAN)),
                ),
                adam,
            ),
        ),
        ("epsilon: is 0", build(softmax(2), Adam { epsilon: 0.0, ..adam })),
        ("epsilon: is 0.0000", build(softmax(2), Adam { epsilon: 1e-50, ..adam })),
    ] {
        assert!(error.contains(what), "{error:?} does not speak of {what:?}");
    }
}

#[test]
fn what_the_device_cannot_bind_is_refused_with_the_numbers() {
    let most: u64 = 1 << 20;
    let (device, queue) = pollster::block_on(async {
        let descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
        let instance = wgpu::Instance::new(descriptor);
        let adapter = instance.request_adapter(&Default::default()).await.unwrap();
        let required_limits =
            wgpu::Limits { max_storage_buffer_binding_size: most, ..wgpu::Limits::default() };
        let descriptor = wgpu::DeviceDescriptor { required_limits, ..Default::default() };
        adapter.request_device(&descriptor).await.unwrap()
    });
    let gpu = Gpu::from_device(device, queue);
    let built = |units: usize| {
        Sequential::new(512)
            .dense(units, Activation::Softmax)
            .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [])
            .build(&gpu)
            .map(|_| ())
    };
    // Weights of fewer bytes, then of more.
    built(500).unwrap();
    let error = built(516).unwrap_err().to_string();
    assert!(error.contains(&format!("binds at most {most}")), "{error}");
}

#[test]
fn a_loss_that_is_no_number_stops_training_and_names_the_step() {
    for (backend, hidden) in backends().into_iter().flat_map(|backend| {
        use Activation::{Linear, Relu, Sigmoid, Tanh};
        [Linear, Relu, Sigmoid, Tanh].map(|hidden| (backend.clone(), hidden))
    }) {
        let mut values = vec![0.5f32; 40 * 3];
        // The sample of step 3, in batches of 10.
        values[25 * 3] = f32::NAN;
        let labels: Vec<u32> = (0..40).map(|i| i % 2).collect();
        let data = Dataset::new(Features::F32(Arc::new(values)), &[3], labels).unwrap();
        let mut model = Sequential::new(3)
            .dense(4, hidden)
            .dense(2, Activation::Softmax)
            .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [])
            .build(backend)
            .unwrap();
        let fit = Fit::new().batch_size(10).shuffle(Shuffle::Off).epochs(2);
        match model.fit(&data, fit) {
            Err(Error::NonFinite { step: 3, batch: Some((1, 3)) }) => {}
            other => panic!("{hidden:?}: {other:?}"),
        }
    }
}

#[test]
fn a_saved_model_is_the_same_model() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.safetensors");
    let data = synthetic_digits(120, 0).unwrap();
    for backend in backends() {
        let mut model = network(&data, 16, 0, backend.clone());
        model.fit(&data, Fit::new()).unwrap();
        model.save(&path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let mut loaded = Model::load(&path, backend).unwrap();
        assert_eq!(weights(&mut model), weights(&mut loaded));
        assert_eq!(
            model.evaluate(&data, Evaluate::new()).unwrap(),
            loaded.evaluate(&data, Evaluate::new()).unwrap()
        );
        loaded.save(&path).unwrap();
        assert_eq!(bytes, std::fs::read(&path).unwrap(), "the same model, other bytes");
    }
}

/// Two epochs, a file, a new model, a third epoch: the same as three epochs in a row.
#[test]
fn training_goes_on_from_a_file_as_if_it_had_never_stopped() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.safetensors");
    let data = synthetic_digits(120, 0).unwrap();
    let optimizers: [Optimizer; 5] = [
        Adam::adamw().into(),
        Adam { amsgrad: true, ..Adam::default() }.into(),
        Sgd { momentum: 0.9, nesterov: true, ..Sgd::new(0.013) }.into(),
        RmsProp { centered: true, momentum: 0.5, ..RmsProp::default() }.into(),
        Adagrad::new(0.1).into(),
    ];
    for backend in backends() {
        for optimizer in optimizers {
            let build = || {
                Sequential::new(Input::pixels(&[28, 28]))
                    .dense(12, Activation::Gelu)
                    .dropout(0.3)
                    .dense(10, Activation::Softmax)
                    .compile(optimizer, Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
                    .seed(5)
                    .build(backend.clone())
                    .unwrap()
            };
            let fit = |initial, epochs| Fit::new().initial_epoch(initial).epochs(epochs);
            let mut straight = build();
            let history = straight.fit(&data, fit(0, 3)).unwrap();
            let mut first = build();
            first.fit(&data, fit(0, 2)).unwrap();
            first.save(&path).unwrap();
            drop(first);
            let mut second = Model::load(&path, backend.clone()).unwrap();
            let resumed = second.fit(&data, fit(2, 3)).unwrap();
            assert_eq!(weights(&mut straight), weights(&mut second), "{optimizer:?}");
            assert_eq!(history.epochs[2].training, resumed.epochs[0].training, "{optimizer:?}");
            assert_eq!(straight.steps(), second.steps());
        }
    }
}

#[test]
fn damaged_model_files_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.safetensors");
    let data = synthetic_digits(10, 0).unwrap();
    network(&data, 4, 0, &Cpu::new()).save(&path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let load = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        Model::load(&path, &Cpu::new()).map(|_| ()).unwrap_err().to_string()
    };
    for cut in [0, 7, 8, 100, whole.len() - 1] {
        let error = load(&whole[..cut]);
        assert!(error.contains("model.safetensors"), "{error}");
    }
    let replaced_in = |good: &[u8], from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let at = good.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
        let mut bad = good.to_vec();
        bad[at..at + to.len()].copy_from_slice(to.as_bytes());
        bad
    };
    let error = load(&replaced_in(&whole, "dense_2.bias", "dense_3.bias"));
    assert!(error.contains("its checksum is not that of what it holds"), "{error}");
    // Without a checksum, what is wrong is found one by one.
    let good = replaced_in(&whole, "checksum", "chacksum");
    let replaced = |from: &str, to: &str| replaced_in(&good, from, to);
    for (from, to, what) in [
        ("minibatch", "minibotch", "metadata"),
        (r#"\"version\":3"#, r#"\"version\":9"#, "version 9"),
        ("dense_2.bias", "dense_3.bias", "dense_2.bias is missing"),
        (r#"\"units\":4"#, r#"\"units\":5"#, "expected F32"),
        ("relu", "rely", "damaged"),
        // Same lengths, so that the file stays whole around them.
        (r#"[28,28]"#, r#"[28, 0]"#, "every dimension must be at least 1"),
        (r#"\"scale\":0.0"#, r#"\"scale\":000"#, "damaged"),
        ("softmax", "softmix", "damaged"),
    ] {
        let error = load(&replaced(from, to));
        assert!(error.contains(what), "{error:?} does not speak of {what:?}");
    }
    let missing = Model::load(Path::new("no/such/file"), &Cpu::new());
    assert!(matches!(missing, Err(Error::Io { .. })));
}

#[test]
fn samples_of_another_shape_are_refused_and_flat_ones_are_not() {
    let data = synthetic_digits(10, 0).unwrap();
    let reshaped = |shape: &[usize]| {
        Dataset::new(data.inputs()[0].features.clone(), shape, data.labels().to_vec()).unwrap()
    };
    let mut model = network(&data, 4, 0, &Cpu::new());
    let scores = model.evaluate(&data, Evaluate::new()).unwrap();
    assert_eq!(model.evaluate(reshaped(&[784]), Evaluate::new()).unwrap(), scores);
    let refused = model.evaluate(reshaped(&[14, 56]), Evaluate::new()).unwrap_err();
    assert!(refused.to_string().contains("shape [14, 56], expected [28, 28]"), "{refused}");
}

#[test]
fn only_parameters_are_read_and_set_by_name() {
    let data = synthetic_digits(10, 0).unwrap();
    for backend in backends() {
        let mut model = network(&data, 4, 0, backend);
        for name in ["all.parameters", "targets", "metrics.loss", "dense_1.weight.moment_1", "none"]
        {
            let read = model.weight(name).unwrap_err().to_string();
            assert!(read.contains("no parameter is called"), "{read}");
            assert!(model.set_weight(name, &[0.0]).is_err(), "{name}");
        }
    }
}

#[test]
fn no_parameter_reaches_into_another_ones_rows() {
    for widths in [[1, 1, 1], [1, 5, 2], [3, 1, 10], [5, 17, 4]] {
        let compiled = Sequential::new(widths[0])
            .dense(widths[1], Activation::Relu)
            .dense(widths[2], Activation::Softmax)
            .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, []);
        let program = lower(&compiled).unwrap();
        for arena in ["parameters", "gradients", "moment_1", "moment_2"] {
            let arena = program.find(&format!("all.{arena}")).unwrap();
            let mut free = 0;
            for (_, slice) in program.slices(arena) {
                let Placement::Slice { offset, .. } = slice.placement else { panic!("no slice") };
                assert!(offset >= free, "{} of {widths:?} begins at {offset}", slice.name);
                // Kernels read and write whole blocks of four rows and four columns.
                let rows = match slice.name.contains("bias") {
                    true => 1,
                    false => slice.live_rows(0).next_multiple_of(4),
                };
                free = offset + rows * slice.columns.next_multiple_of(4);
            }
            assert!(free <= program.buffer(arena).columns);
        }
    }
}

#[test]
fn setting_weights_takes_no_memory_for_batches() {
    let compiled = Sequential::new(50).dense(3, Activation::Softmax).compile(
        Adam::default(),
        Loss::SparseCategoricalCrossentropy,
        [],
    );
    let program = Arc::new(lower(&compiled).unwrap());
    let mut cpu = CpuExecutor::<f32>::new(Arc::clone(&program));
    cpu.write(program.find("dense_1.weight").unwrap(), &[0.0; 150]).unwrap();
    let output = program.find("dense_1.output").unwrap();
    assert!(cpu.read(output, 50).is_empty(), "room for batches that nobody asked for");
}

#[test]
fn more_terms_than_a_software_adapter_adds_up_are_refused() {
    let gpu = gpu();
    for input in [Input::floats(&[300_000]), Input::pixels(&[300_000])] {
        let refused = Sequential::new(input)
            .dense(2, Activation::Softmax)
            .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [])
            .build(&gpu)
            .map(|_| ());
        if gpu.is_software() {
            assert!(matches!(refused, Err(Error::Argument { .. })), "{refused:?}");
        } else {
            refused.unwrap();
        }
    }
}

#[test]
fn dropout_drops_its_share_in_training_and_nothing_else() {
    let width = 1000;
    let features = Features::F32(vec![1.0; 4 * width].into());
    let data = Dataset::new(features, &[width], vec![0, 1, 0, 1]).unwrap();
    let network = |rate| {
        Sequential::new(width).dropout(rate).dense(2, Activation::Softmax).compile(
            Sgd::new(0.5),
            Loss::SparseCategoricalCrossentropy,
            [],
        )
    };
    let mut shares = Vec::new();
    for backend in backends() {
        let mut model = network(0.25).build(backend.clone()).unwrap();
        let mut plain = network(0.0).build(backend).unwrap();
        // Weights are drawn alike, and inference sees no dropout.
        assert_eq!(
            model.predict(&data, Predict::new()).unwrap(),
            plain.predict(&data, Predict::new()).unwrap()
        );
        let before = model.weight("dense_1.weight").unwrap();
        model.fit(&data, Fit::new()).unwrap();
        let after = model.weight("dense_1.weight").unwrap();
        // An input that is dropped in all four samples leaves its weights as they were: 1 in 256.
        let untouched = before.iter().zip(&after).filter(|(a, b)| a == b).count() / 2;
        assert!(untouched <= 15, "{untouched} of {width} inputs were dropped four times");
        let program = model.program();
        let id = program.find("dropout_1.output").unwrap();
        let Some(gpu) = model.gpu() else { continue };
        let values = pollster::block_on(gpu.read(id, 4)).unwrap();
        let kept = values.iter().filter(|&&value| value != 0.0).count() as f64;
        let share = kept / values.len() as f64;
        // Five standard deviations of a binomial(4000, 3/4).
        assert_abs_diff_eq!(share, 0.75, epsilon = 0.034);
        for value in values.into_iter().filter(|&value| value != 0.0) {
            assert_abs_diff_eq!(value, 4.0 / 3.0, epsilon = 1e-6);
        }
        shares.push(share);
    }
    assert_eq!(shares.len(), 1);
}

#[test]
fn the_same_values_are_dropped_on_both_executors_and_others_in_each_step() {
    let data = synthetic_digits(96, 0).unwrap();
    let train = |backend: Backend, seed: u64| {
        let mut model = Sequential::new(Input::pixels(&[28, 28]))
            .dense(32, Activation::Relu)
            .dropout(0.5)
            .dense(10, Activation::Softmax)
            .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [])
            .seed(seed)
            .build(backend)
            .unwrap();
        let history = model.fit(&data, Fit::new().shuffle(Shuffle::Off).epochs(2)).unwrap();
        history.epochs.last().unwrap().training.loss
    };
    let [cpu, gpu] = backends();
    let (on_cpu, on_gpu) = (train(cpu.clone(), 0), train(gpu, 0));
    // Another mask would change the loss by far more.
    assert_abs_diff_eq!(on_cpu, on_gpu, epsilon = 1e-4);
    assert_abs_diff_ne!(on_cpu, train(cpu, 1), epsilon = 1e-3);
}

/// With a rate of 1 and plain gradient descent, the change of a parameter is its clipped gradient.
#[test]
fn gradients_are_clipped_as_their_kind_says() {
    let data = Dataset::new(Features::F32(vec![3.0, 4.0].into()), &[2], vec![1]).unwrap();
    for backend in backends() {
        let changes = |clip| {
            let mut model = Sequential::new(2)
                .dense(2, Activation::Softmax)
                .compile(
                    Sgd { learning_rate: 1.0, clip, ..Sgd::default() },
                    Loss::SparseCategoricalCrossentropy,
                    [],
                )
                .build(backend.clone())
                .unwrap();
            model.set_weight("dense_1.weight", &[0.0; 4]).unwrap();
            model.fit(&data, Fit::new()).unwrap();
            let mut changes = model.weight("dense_1.weight").unwrap();
            changes.extend(model.weight("dense_1.bias").unwrap());
            changes
        };
        // Probabilities of one half: the gradient of the logits is (0.5, -0.5).
        let plain = [-1.5, 1.5, -2.0, 2.0, -0.5, 0.5];
        let norm_of_weight = 12.5f32.sqrt();
        let norm_of_all = 13f32.sqrt();
        let close = |clip, expected: [f32; 6]| {
            let actual = changes(clip);
            assert!(
                abs_diff_eq!(actual[..], expected[..], epsilon = 1e-6),
                "{clip:?}: {actual:?}, expected {expected:?}"
            );
        };
        close(Clip::None, plain);
        close(Clip::Value(1.75), [-1.5, 1.5, -1.75, 1.75, -0.5, 0.5]);
        close(Clip::GlobalNorm(1.0), plain.map(|x| x / norm_of_all));
        close(Clip::GlobalNorm(4.0), plain);
        let mut by_parameter = plain.map(|x| x / norm_of_weight);
        // The bias' norm is 0.71, below the limit.
        by_parameter[4..].copy_from_slice(&plain[4..]);
        close(Clip::Norm(1.0), by_parameter);
    }
}

#[test]
fn frozen_layers_stay_as_they_are_and_let_gradients_through() {
    let data = synthetic_digits(64, 0).unwrap();
    for backend in backends().iter().map(unfused) {
        let build = |frozen: [bool; 3]| {
            let layer = |units, activation, frozen| {
                let layer = Dense::new(units, activation);
                if frozen { layer.frozen() } else { layer }
            };
            let mut model = Sequential::new(Input::pixels(&[28, 28]))
                .layer(layer(12, Activation::Relu, frozen[0]))
                .layer(layer(8, Activation::Tanh, frozen[1]))
                .layer(layer(10, Activation::Softmax, frozen[2]))
                .compile(Adam::adamw(), Loss::SparseCategoricalCrossentropy, [])
                .build(backend.clone())
                .unwrap();
            let before = model.weights().unwrap();
            model.fit(&data, Fit::new().batch_size(64)).unwrap();
            (before, model.weights().unwrap())
        };
        let (_, all_trained) = build([false; 3]);
        for frozen in [[true, false, false], [false, true, false], [true, true, true]] {
            let (before, after) = build(frozen);
            for (i, (before, after)) in before.iter().zip(&after).enumerate() {
                assert_eq!(before == after, frozen[i / 2], "{} of {frozen:?}", before.0);
                // The first step of a layer does not depend on whether others are trained too.
                if !frozen[i / 2] {
                    assert_eq!(*after, all_trained[i], "{} of {frozen:?}", before.0);
                }
            }
        }
    }
}

#[test]
fn weights_count_where_keras_counts_them() {
    let data = synthetic_digits(60, 0).unwrap();
    let class_weights = [(3, 2.5f32), (7, 0.0)];
    let by_class = |labels: &[u32]| -> Vec<f32> {
        let of = |label: u32| class_weights.iter().find(|(class, _)| *class == label);
        labels.iter().map(|&label| of(label).map_or(1.0, |(_, weight)| *weight)).collect()
    };
    let weights = by_class(data.labels());
    let build = || network(&data, 8, 0, &Cpu::new());

    // Class weights are sample weights by class, in training only.
    let (mut a, mut b) = (build(), build());
    let fit = || Fit::new().batch_size(7).validation_split(0.25);
    let with_classes = a.fit(&data, fit().class_weight(class_weights)).unwrap();
    let with_samples = b.fit(&data, fit().sample_weight(weights.clone())).unwrap();
    assert_eq!(a.weights().unwrap(), b.weights().unwrap());
    assert_eq!(with_classes.epochs[0].training, with_samples.epochs[0].training);
    let (_, held_out) = data.split_last(0.25).unwrap();
    let loss = |model: &mut Model, arguments| model.evaluate(&held_out, arguments).unwrap().loss;
    let plain = loss(&mut a, Evaluate::new());
    // Validation had batches of 7, so its rows added up other samples in f32.
    let near = |a: f64, b: f64| assert_abs_diff_eq!(a, b, epsilon = 1e-6 * b);
    near(with_classes.epochs[0].validation.as_ref().unwrap().loss, plain);
    // A split takes its sample weights along, and evaluate takes them as an argument.
    let own = by_class(held_out.labels());
    let weighted = loss(&mut b, Evaluate::new().sample_weight(own));
    near(with_samples.epochs[0].validation.as_ref().unwrap().loss, weighted);
    assert!((plain / weighted - 1.0).abs() > 0.01, "{plain}, {weighted}");

    // The sum is divided by the samples: twice the weights, twice the loss.
    let doubled = loss(&mut a, Evaluate::new().sample_weight(vec![2.0; held_out.len()]));
    near(doubled, 2.0 * plain);

    let before = a.weights().unwrap();
    let both = a.fit(&data, fit().class_weight(class_weights).sample_weight(weights.clone()));
    assert!(both.unwrap_err().to_string().contains("together with sample_weight"));
    for bad in [vec![1.0; 59], vec![f32::NAN; 60]] {
        assert!(a.fit(&data, fit().sample_weight(bad)).is_err());
    }
    assert_eq!(a.weights().unwrap(), before);
}

#[test]
fn probabilities_add_up_and_point_at_the_evaluated_class() {
    let data = synthetic_digits(70, 0).unwrap();
    for backend in backends() {
        let mut model = network(&data, 16, 0, backend);
        model.fit(&data, Fit::new().epochs(3)).unwrap();
        let outputs = model.predict(&data, Predict::new()).unwrap();
        assert_eq!(outputs.len(), 700);
        let mut right = 0;
        for (row, &label) in outputs.chunks(10).zip(data.labels()) {
            assert_abs_diff_eq!(row.iter().sum::<f32>(), 1.0, epsilon = 1e-5);
            let best = (0..10).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
            right += usize::from(best == label as usize);
        }
        let scores = model.evaluate(&data, Evaluate::new()).unwrap();
        assert_eq!(scores.accuracy(), Some(right as f64 / 70.0));
    }
}

/// Real MNIST, where it is: 784-128-10, batch 32, five epochs.
#[test]
fn mnist() {
    let Some(directory) = std::env::var_os("MNIST_DIR") else {
        println!("MNIST_DIR is not set: the end-to-end run on real MNIST is left out");
        return;
    };
    let TrainTest { train, test } = read_idx_dir(directory.as_ref()).unwrap();
    let [cpu, gpu] = backends().map(|backend| {
        let mut model = network(&train, 128, 0, backend);
        let history = model.fit(&train, Fit::new().batch_size(32).epochs(5)).unwrap();
        let scores = model.evaluate(&test, Evaluate::new().batch_size(1000)).unwrap();
        println!("{history:?} {scores:?}");
        assert!(scores.accuracy().unwrap() >= 0.973, "{scores:?}");
        history
    });
    for (a, b) in cpu.epochs.iter().zip(&gpu.epochs) {
        let bound = if a.epoch == 1 { 0.005 } else { 0.03 };
        let (a, b) = (a.training.loss, b.training.loss);
        assert_abs_diff_eq!(a, b, epsilon = bound * a);
    }
}

#[test]
fn what_is_wrong_with_held_out_data_is_told_by_its_own_numbers() {
    let data = synthetic_digits(100, 0).unwrap();
    let mut labels = data.labels().to_vec();
    labels[90] = 10;
    let features = data.inputs()[0].features.clone();
    let wrong = Dataset::new(features, data.sample_shape(), labels).unwrap();
    let held_out = wrong.slice(80..100).unwrap();
    let mut model = network(&data, 8, 0, &Cpu::new());
    let split = model.fit(&wrong, Fit::new().validation_split(0.2)).unwrap_err().to_string();
    assert!(split.contains("sample 90 has label 10"), "{split}");
    let given = model.fit(&data, Fit::new().validation_data(&held_out)).unwrap_err().to_string();
    assert!(given.contains("validation_data"), "{given}");
    assert!(given.contains("sample 10 has label 10"), "{given}");
}
