//! The engine as a guest on the host's device.

use std::sync::Arc;

use minibatch::callbacks::LambdaCallback;
use minibatch::cpu::CpuExecutor;
use minibatch::data::{Batch, BatchOrder, Dataset, Features, Shuffle, synthetic_digits};
use minibatch::gpu::{GpuExecutor, KernelClass};
use minibatch::model::{Input, lower};
use minibatch::program::{Pass, Step};
use minibatch::training::Flow;
use minibatch::{
    Activation, Adam, Error, Evaluate, Fit, Gpu, Loss, Metric, Model, Predict, Sequential,
};

/// A device as a plain WebGPU application has it: default limits, no feature.
fn host() -> (wgpu::Device, wgpu::Queue) {
    pollster::block_on(async {
        let descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
        let adapter = wgpu::Instance::new(descriptor)
            .request_adapter(&wgpu::RequestAdapterOptions::default())
            .await
            .unwrap_or_else(|error| panic!("{error}; run: apt-get install -y mesa-vulkan-drivers"));
        adapter.request_device(&wgpu::DeviceDescriptor::default()).await.unwrap()
    })
}

fn model(gpu: &Gpu, data: &Dataset) -> Model {
    accumulating(gpu, data, 1)
}

/// A model that makes one update of so many steps.
fn accumulating(gpu: &Gpu, data: &Dataset, steps: usize) -> Model {
    Sequential::new(Input::pixels(data.sample_shape()))
        .dense(32, Activation::Relu)
        .dense(10, Activation::Softmax)
        .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
        .gradient_accumulation_steps(steps)
        .build(gpu)
        .unwrap()
}

fn weights(model: &mut Model) -> Vec<u32> {
    ["dense_1.weight", "dense_1.bias", "dense_2.weight", "dense_2.bias"]
        .iter()
        .flat_map(|name| model.weight(name).unwrap())
        .map(f32::to_bits)
        .collect()
}

const BATCH_SIZE: usize = 24;

#[test]
fn steps_in_the_hosts_encoder_are_those_of_fit() {
    let (device, queue) = host();
    let data = synthetic_digits(100, 0).unwrap();
    let gpu = Gpu::from_device(device.clone(), queue.clone());
    // Ten steps: some are left over where three make an update.
    for accumulated in [1, 3] {
        let mut fitted = accumulating(&gpu, &data, accumulated);
        let history = fitted.fit(&data, Fit::new().batch_size(BATCH_SIZE).epochs(2)).unwrap();

        let mut guest = accumulating(&gpu, &data, accumulated);
        pollster::block_on(guest.prepare_steps(BATCH_SIZE)).unwrap();
        let mut scores = Vec::new();
        for epoch in 0..2 {
            let order = BatchOrder::new(data.len(), BATCH_SIZE, Shuffle::Full, 0, epoch);
            for index in 0..order.len() {
                let mut encoder = device.create_command_encoder(&Default::default());
                let batch = Batch { data: &data, indices: order.batch(index) };
                guest.record_step(&mut encoder, batch).unwrap();
                queue.submit([encoder.finish()]);
                device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
            }
            scores.extend(pollster::block_on(guest.take_scores()).unwrap());
        }
        assert_eq!(weights(&mut fitted), weights(&mut guest), "{accumulated} steps an update");
        let fitted: Vec<_> = history.epochs.iter().map(|epoch| epoch.training.clone()).collect();
        assert_eq!(fitted, scores);
    }
}

#[test]
fn several_steps_may_go_into_one_encoder() {
    let (device, queue) = host();
    let data = synthetic_digits(3 * BATCH_SIZE, 0).unwrap();
    let gpu = Gpu::from_device(device.clone(), queue.clone());
    let mut one_by_one = model(&gpu, &data);
    one_by_one.fit(&data, Fit::new().batch_size(BATCH_SIZE).shuffle(Shuffle::Off)).unwrap();

    let mut together = model(&gpu, &data);
    pollster::block_on(together.prepare_steps(BATCH_SIZE)).unwrap();
    let order = BatchOrder::new(data.len(), BATCH_SIZE, Shuffle::Off, 0, 0);
    let mut encoder = device.create_command_encoder(&Default::default());
    for index in 0..order.len() {
        let batch = Batch { data: &data, indices: order.batch(index) };
        together.record_step(&mut encoder, batch).unwrap();
    }
    // Each step holds an upload slot until it has run; a fourth must not wait, and says so.
    let batch = Batch { data: &data, indices: order.batch(0) };
    let full = together.record_step(&mut encoder, batch);
    assert!(matches!(full, Err(Error::Busy { .. })), "{full:?}");
    assert_eq!(together.steps(), 3, "a step that was not recorded was counted");
    queue.submit([encoder.finish()]);
    assert_eq!(weights(&mut one_by_one), weights(&mut together));
}

#[test]
fn an_encoder_that_is_dropped_gives_its_slots_back() {
    let (device, queue) = host();
    let data = synthetic_digits(BATCH_SIZE, 0).unwrap();
    let gpu = Gpu::from_device(device.clone(), queue.clone());
    let mut model = model(&gpu, &data);
    pollster::block_on(model.prepare_steps(BATCH_SIZE)).unwrap();
    let before = weights(&mut model);
    let indices: Vec<u32> = (0..BATCH_SIZE as u32).collect();
    let batch = Batch { data: &data, indices: &indices };
    for _ in 0..10 {
        let mut encoder = device.create_command_encoder(&Default::default());
        model.record_step(&mut encoder, batch).unwrap();
        drop(encoder);
        device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
    }
    assert_eq!(before, weights(&mut model), "a step ran that was never submitted");
    let mut encoder = device.create_command_encoder(&Default::default());
    model.record_step(&mut encoder, batch).unwrap();
    queue.submit([encoder.finish()]);
    assert_ne!(before, weights(&mut model));
}

#[test]
fn what_was_not_prepared_is_refused_and_nothing_is_recorded() {
    let (device, queue) = host();
    let data = synthetic_digits(BATCH_SIZE, 0).unwrap();
    let gpu = Gpu::from_device(device.clone(), queue.clone());
    let mut model = model(&gpu, &data);
    let indices: Vec<u32> = (0..BATCH_SIZE as u32).collect();
    let mut encoder = device.create_command_encoder(&Default::default());
    let mut refused = |indices: &[u32]| {
        let batch = Batch { data: &data, indices };
        let result = model.record_step(&mut encoder, batch);
        assert!(matches!(result, Err(Error::Argument { .. })), "{result:?}");
        assert_eq!(model.steps(), 0);
    };
    refused(&indices);
    refused(&[]);
    pollster::block_on(model.prepare_steps(4)).unwrap();
    for bad in [&indices[..5], &[0, 1, BATCH_SIZE as u32][..], &[]] {
        let batch = Batch { data: &data, indices: bad };
        let result = model.record_step(&mut encoder, batch);
        assert!(matches!(result, Err(Error::Argument { .. })), "{result:?}");
    }
    queue.submit([encoder.finish()]);
}

#[test]
fn a_step_is_one_pass_of_seven_dispatches() {
    let gpu = Gpu::new().unwrap_or_else(|error| panic!("{error}"));
    let data = synthetic_digits(64, 0).unwrap();
    let mut model = Sequential::new(Input::pixels(&[28, 28]))
        .dense(128, Activation::Relu)
        .dense(10, Activation::Softmax)
        .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [])
        .build(&gpu)
        .unwrap();
    model.fit(&data, Fit::new().epochs(3)).unwrap();
    let executor = model.gpu().unwrap();
    assert_eq!(executor.dispatches(Pass::Train) + executor.dispatches(Pass::Update), 7);
    assert_eq!(executor.submits(), 6, "each of 2 x 3 steps is one submission");
}

#[test]
fn a_guest_without_features_runs_kernels_that_need_none() {
    let (device, queue) = host();
    let gpu = Gpu::from_device(device, queue);
    assert_ne!(gpu.kernel_class(), KernelClass::Subgroup);
}

#[test]
fn what_comes_between_recorded_steps_takes_nothing_from_their_scores() {
    let (device, queue) = host();
    let data = synthetic_digits(2 * BATCH_SIZE, 0).unwrap();
    let gpu = Gpu::from_device(device.clone(), queue.clone());
    let indices: Vec<u32> = (0..2 * BATCH_SIZE as u32).collect();
    let train = |interrupted: bool| {
        let mut model = model(&gpu, &data);
        pollster::block_on(model.prepare_steps(BATCH_SIZE)).unwrap();
        assert_eq!(pollster::block_on(model.take_scores()).unwrap(), None);
        for indices in indices.chunks(BATCH_SIZE) {
            let mut encoder = device.create_command_encoder(&Default::default());
            model.record_step(&mut encoder, Batch { data: &data, indices }).unwrap();
            queue.submit([encoder.finish()]);
            if interrupted {
                // Each in a larger batch than what was prepared.
                model.evaluate(&data, Evaluate::new().batch_size(2 * BATCH_SIZE - 1)).unwrap();
                model.predict(&data, Predict::new().batch_size(2 * BATCH_SIZE)).unwrap();
            }
        }
        pollster::block_on(model.take_scores()).unwrap().unwrap()
    };
    let (interrupted, straight) = (train(true), train(false));
    assert_eq!(interrupted.accuracy(), straight.accuracy());
    // The host adds in f64 what each row has added up in f32.
    assert!((interrupted.loss - straight.loss).abs() < 1e-6, "{interrupted:?} {straight:?}");
}

#[test]
fn what_comes_before_a_recorded_step_is_submitted_takes_nothing_from_its_scores() {
    let (device, queue) = host();
    let data = synthetic_digits(BATCH_SIZE, 0).unwrap();
    let gpu = Gpu::from_device(device.clone(), queue.clone());
    let indices: Vec<u32> = (0..BATCH_SIZE as u32).collect();
    let train = |interrupted: bool| {
        let mut model = model(&gpu, &data);
        pollster::block_on(model.prepare_steps(BATCH_SIZE)).unwrap();
        let mut encoder = device.create_command_encoder(&Default::default());
        model.record_step(&mut encoder, Batch { data: &data, indices: &indices }).unwrap();
        if interrupted {
            model.predict(&data, Predict::new()).unwrap();
            model.evaluate(&data, Evaluate::new()).unwrap();
        }
        queue.submit([encoder.finish()]);
        if interrupted {
            model.predict(&data, Predict::new()).unwrap();
            let mut predicts = LambdaCallback::new().on_batch_end(|model: &mut Model, _| {
                model.predict(&data, Predict::new()).map(|_| Flow::Continue)
            });
            model.fit(&data, Fit::new().batch_size(5).callback(&mut predicts)).unwrap();
        }
        pollster::block_on(model.take_scores()).unwrap().unwrap()
    };
    assert_eq!(train(true), train(false));
}

#[test]
fn what_a_recorded_step_has_left_is_read_by_name() {
    let (device, queue) = host();
    let data = synthetic_digits(BATCH_SIZE, 0).unwrap();
    let mut model = model(&Gpu::from_device(device.clone(), queue.clone()), &data);
    pollster::block_on(model.prepare_steps(BATCH_SIZE)).unwrap();
    model.predict_on_batch(Batch { data: &data, indices: &[0] }).unwrap();
    let mut encoder = device.create_command_encoder(&Default::default());
    model.record_step(&mut encoder, Batch { data: &data, indices: &[0, 1, 2] }).unwrap();
    queue.submit([encoder.finish()]);
    let units = model.weight("dense_1.bias").unwrap().len();
    assert_eq!(model.read("dense_1.output").unwrap().len(), 3 * units);
}

#[test]
fn a_label_that_is_no_class_shows_as_a_non_finite_loss() {
    let gpu = Gpu::new().unwrap_or_else(|error| panic!("{error}"));
    let labels = vec![0, 9, 3_000_000_000];
    let data = Dataset::new(Features::F32(vec![0.5; 12].into()), &[4], labels).unwrap();
    let compiled = Sequential::new(4).dense(10, Activation::Softmax).compile(
        Adam::default(),
        Loss::SparseCategoricalCrossentropy,
        [],
    );
    let program = Arc::new(lower(&compiled).unwrap());
    let step = Step::train(&compiled.optimizer, 3, 7, 0.1);
    let batch = Batch { data: &data, indices: &[0, 1, 2] };
    let mut device = pollster::block_on(GpuExecutor::new(&gpu, Arc::clone(&program))).unwrap();
    pollster::block_on(device.run(Pass::Train, batch, &step)).unwrap();
    let metrics = pollster::block_on(device.read_metrics()).unwrap();
    assert_eq!(metrics.first_nonfinite_step, Some(7));
    let mut cpu = CpuExecutor::<f32>::new(program);
    cpu.run(Pass::Train, batch, &step).unwrap();
    assert_eq!(cpu.read_metrics().first_nonfinite_step, Some(7));
}

#[test]
fn models_on_one_device_train_side_by_side() {
    let gpu = Gpu::new().unwrap_or_else(|error| panic!("{error}"));
    let data = synthetic_digits(400, 0).unwrap();
    let train = || {
        let mut model = model(&gpu, &data);
        model.fit(&data, Fit::new().batch_size(4).epochs(3)).unwrap();
        weights(&mut model)
    };
    let alone = train();
    let together = std::thread::scope(|scope| {
        let threads = [0, 1, 2].map(|_| scope.spawn(train));
        threads.map(|thread| thread.join().unwrap())
    });
    assert!(together.iter().all(|weights| *weights == alone));
}

#[test]
fn steps_are_not_recorded_amidst_fit() {
    let (device, queue) = host();
    let data = synthetic_digits(8, 0).unwrap();
    let mut model = model(&Gpu::from_device(device.clone(), queue), &data);
    let mut refusals = Vec::new();
    let mut lambda = LambdaCallback::new().on_batch_end(|model: &mut Model, _| {
        let mut encoder = device.create_command_encoder(&Default::default());
        let batch = Batch { data: &data, indices: &[0] };
        refusals.push(model.record_step(&mut encoder, batch).unwrap_err().to_string());
        Ok(Flow::Continue)
    });
    model.fit(&data, Fit::new().callback(&mut lambda)).unwrap();
    drop(lambda);
    assert!(refusals[0].contains("is called amidst fit"), "{refusals:?}");
    assert_eq!(model.steps(), 1);
    // After a fit that broke as well.
    let mut lambda =
        LambdaCallback::new().on_batch_end(|_, _| Err(Error::Device("the callback's own".into())));
    model.fit(&data, Fit::new().callback(&mut lambda)).unwrap_err();
    let mut encoder = device.create_command_encoder(&Default::default());
    model.record_step(&mut encoder, Batch { data: &data, indices: &[0] }).unwrap();
}

#[test]
fn a_lost_device_is_an_error_and_no_panic() {
    let (device, queue) = host();
    let data = synthetic_digits(64, 0).unwrap();
    let gpu = Gpu::from_device(device.clone(), queue);
    let mut model = model(&gpu, &data);
    model.fit(&data, Fit::new()).unwrap();
    // No handler: wgpu's own one panics.
    device.destroy();
    let result = model.fit(&data, Fit::new());
    assert!(matches!(result, Err(Error::Device(_))), "{result:?}");
    let result = model.weight("dense_1.bias");
    assert!(matches!(result, Err(Error::Device(_))), "{result:?}");
}
