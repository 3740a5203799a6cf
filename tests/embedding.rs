//! The engine as a guest on the host's device: steps on batches of the host's memory.

#[path = "support/digits.rs"]
mod digits;
#[path = "support/host.rs"]
mod host;

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use approx::assert_abs_diff_eq;
use digits::{BATCH_SIZE, accumulating, model, weights};
use minibatch::callbacks::LambdaCallback;
use minibatch::cpu::CpuExecutor;
use minibatch::data::{Batch, BatchOrder, Dataset, Features, Shuffle, synthetic_digits};
use minibatch::gpu::{AdapterClass, FusedSteps, GpuExecutor, block_on};
use minibatch::model::{Input, lower};
use minibatch::program::Pass;
use minibatch::training::{History, Request, Scores, fill};
use minibatch::{Activation, Adam, Error, Evaluate, Fit, Gpu, Loss, Model, Predict, Sequential};

fn host() -> (wgpu::Device, wgpu::Queue) {
    let host = host::Host::with_default_limits();
    (host.device, host.queue)
}

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
        block_on(guest.prepare_steps(BATCH_SIZE)).unwrap();
        let mut scores = Vec::new();
        for epoch in 0..2 {
            let order = BatchOrder::new(data.len(), BATCH_SIZE, Shuffle::Full, 0, epoch);
            for index in 0..order.len() {
                let mut encoder = device.create_command_encoder(&Default::default());
                let batch = Batch { data: &data, indices: &order.batch(index) };
                guest.record_step(&mut encoder, batch).unwrap();
                queue.submit([encoder.finish()]);
                device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
            }
            scores.extend(block_on(guest.take_scores()).unwrap());
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
    block_on(together.prepare_steps(BATCH_SIZE)).unwrap();
    let order = BatchOrder::new(data.len(), BATCH_SIZE, Shuffle::Off, 0, 0);
    let mut encoder = device.create_command_encoder(&Default::default());
    for index in 0..order.len() {
        let batch = Batch { data: &data, indices: &order.batch(index) };
        together.record_step(&mut encoder, batch).unwrap();
    }
    // Each step holds an upload slot until it has run; a fourth must not wait, and says so.
    let batch = Batch { data: &data, indices: &order.batch(0) };
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
    block_on(model.prepare_steps(BATCH_SIZE)).unwrap();
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
    block_on(model.prepare_steps(4)).unwrap();
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
    let gpu = gpu.with_fused_steps(FusedSteps::Never);
    let data = synthetic_digits(64, 0).unwrap();
    let mut model = Sequential::new(Input::pixels(&[28, 28]))
        .dense(128, Activation::Relu)
        .dense(10, Activation::Softmax)
        .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [])
        .build(&gpu)
        .unwrap();
    model.fit(&data, Fit::new().epochs(3)).unwrap();
    let executor = model.gpu().unwrap();
    assert_eq!(executor.dispatches(Pass::Train, 32), 7);
    assert_eq!(executor.dispatched(), 6 * 7);
    assert_eq!(executor.submits(), 6, "each of 2 x 3 steps is one submission");
}

#[test]
fn a_guest_without_features_runs_kernels_that_need_none() {
    let (device, queue) = host();
    let gpu = Gpu::from_device(device, queue);
    assert_ne!(gpu.adapter_class(), AdapterClass::SoftwareSubgroups);
}

#[test]
fn what_comes_between_recorded_steps_takes_nothing_from_their_scores() {
    let (device, queue) = host();
    let data = synthetic_digits(2 * BATCH_SIZE, 0).unwrap();
    let gpu = Gpu::from_device(device.clone(), queue.clone());
    let indices: Vec<u32> = (0..2 * BATCH_SIZE as u32).collect();
    let train = |interrupted: bool| {
        let mut model = model(&gpu, &data);
        block_on(model.prepare_steps(BATCH_SIZE)).unwrap();
        assert_eq!(block_on(model.take_scores()).unwrap(), None);
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
        block_on(model.take_scores()).unwrap().unwrap()
    };
    let (interrupted, straight) = (train(true), train(false));
    assert_eq!(interrupted.accuracy(), straight.accuracy());
    // The host adds in f64 what each row has added up in f32.
    assert_abs_diff_eq!(interrupted.loss, straight.loss, epsilon = 1e-6);
}

#[test]
fn what_comes_before_a_recorded_step_is_submitted_takes_nothing_from_its_scores() {
    let (device, queue) = host();
    let data = synthetic_digits(BATCH_SIZE, 0).unwrap();
    let gpu = Gpu::from_device(device.clone(), queue.clone());
    let indices: Vec<u32> = (0..BATCH_SIZE as u32).collect();
    let train = |interrupted: bool| {
        let mut model = model(&gpu, &data);
        block_on(model.prepare_steps(BATCH_SIZE)).unwrap();
        let mut encoder = device.create_command_encoder(&Default::default());
        model.record_step(&mut encoder, Batch { data: &data, indices: &indices }).unwrap();
        if interrupted {
            model.predict(&data, Predict::new()).unwrap();
            model.evaluate(&data, Evaluate::new()).unwrap();
        }
        queue.submit([encoder.finish()]);
        if interrupted {
            model.predict(&data, Predict::new()).unwrap();
            let mut predicts = LambdaCallback::new().on_batch_end(|run, _| {
                run.request(Request::predict(data.clone(), 32));
                Ok(())
            });
            model.fit(&data, Fit::new().batch_size(5).callback(&mut predicts)).unwrap();
        }
        block_on(model.take_scores()).unwrap().unwrap()
    };
    assert_eq!(train(true), train(false));
}

#[test]
fn what_a_recorded_step_has_left_is_read_by_name() {
    let (device, queue) = host();
    let data = synthetic_digits(BATCH_SIZE, 0).unwrap();
    let gpu = Gpu::from_device(device.clone(), queue.clone());
    let mut model = model(&gpu.with_fused_steps(FusedSteps::Never), &data);
    block_on(model.prepare_steps(BATCH_SIZE)).unwrap();
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
    let step = compiled.optimizer.step(3, 7, 0.1);
    let batch = Batch { data: &data, indices: &[0, 1, 2] };
    let mut device = block_on(GpuExecutor::new(&gpu, Arc::clone(&program))).unwrap();
    let mut feed = block_on(device.feed(batch.len())).unwrap();
    fill(&mut feed, &program, Pass::Train, batch).unwrap();
    block_on(device.run(Pass::Train, feed, &step)).unwrap();
    let metrics = block_on(device.read_metrics()).unwrap();
    assert_eq!(metrics.first_nonfinite_step, Some(7));
    let mut cpu = CpuExecutor::<f32>::new(Arc::clone(&program));
    let mut feed = cpu.feed(batch.len()).unwrap();
    fill(&mut feed, &program, Pass::Train, batch).unwrap();
    cpu.run(Pass::Train, feed, &step).unwrap();
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
fn steps_are_recorded_after_a_fit_that_broke_or_was_cancelled() {
    let (device, queue) = host();
    let data = synthetic_digits(8, 0).unwrap();
    let gpu = Gpu::from_device(device.clone(), queue.clone());
    let record = |model: &mut Model| {
        let mut encoder = device.create_command_encoder(&Default::default());
        model.record_step(&mut encoder, Batch { data: &data, indices: &[0, 1] }).unwrap();
        queue.submit([encoder.finish()]);
    };
    fn fit<'a>() -> Fit<'a> {
        Fit::new().batch_size(2)
    }
    let broken = |model: &mut Model| {
        let mut fails = LambdaCallback::new().on_batch_end(|_, _| Err(Error::callback("broken")));
        model.fit(&data, fit().callback(&mut fails)).unwrap_err();
    };
    let cancelled = |model: &mut Model| {
        let mut future = pin!(model.fit_async(&data, fit()));
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..3 {
            assert!(future.as_mut().poll(&mut context).is_pending());
        }
    };
    for end in [&broken as &dyn Fn(&mut Model), &cancelled] {
        let mut model = model(&gpu, &data);
        block_on(model.prepare_steps(2)).unwrap();
        end(&mut model);
        let batch = Batch { data: &data, indices: &[0, 1] };
        let before = model.test_on_batch(batch).unwrap();
        record(&mut model);
        // Its scores alone, and not those of the steps of fit.
        let scores = block_on(model.take_scores()).unwrap();
        assert_eq!(scores, Some(before));
    }
}

/// What a program that awaits needs: nobody polls but the thread of the device.
#[test]
fn a_program_that_awaits_polls_nothing_itself() {
    let gpu = Gpu::new().unwrap_or_else(|error| panic!("{error}"));
    let data = synthetic_digits(100, 0).unwrap();
    let (mut blocked, mut awaited) = (model(&gpu, &data), model(&gpu, &data));
    let fit = || Fit::new().batch_size(4).epochs(2);
    let history = blocked.fit(&data, fit()).unwrap();
    let other = pollster::block_on(awaited.fit_async(&data, fit())).unwrap();
    assert_eq!(weights(&mut blocked), weights(&mut awaited));
    let scores = |history: &History| -> Vec<Scores> {
        history.epochs.iter().map(|epoch| epoch.training.clone()).collect()
    };
    assert_eq!(scores(&history), scores(&other));
}

#[test]
fn a_dropped_encoder_adds_no_sample_and_no_step() {
    let (device, queue) = host();
    let data = synthetic_digits(4 * BATCH_SIZE, 0).unwrap();
    let gpu = Gpu::from_device(device.clone(), queue.clone());
    let order = BatchOrder::new(data.len(), BATCH_SIZE, Shuffle::Off, 0, 0);
    let train = |drops: bool| {
        let mut model = model(&gpu, &data);
        block_on(model.prepare_steps(BATCH_SIZE)).unwrap();
        let mut steps = Vec::new();
        for index in 0..order.len() {
            let batch = Batch { data: &data, indices: &order.batch(index) };
            // None, one, two and three encoders that come to nothing before each that is submitted.
            for _ in 0..if drops { index } else { 0 } {
                let mut encoder = device.create_command_encoder(&Default::default());
                let other = &order.batch((index + 1) % order.len());
                model.record_step(&mut encoder, Batch { indices: other, ..batch }).unwrap();
                assert_eq!(model.steps(), index as u64 + 1, "it may still run");
                drop(encoder.finish());
                assert_eq!(model.steps(), index as u64);
            }
            let mut encoder = device.create_command_encoder(&Default::default());
            model.record_step(&mut encoder, batch).unwrap();
            queue.submit([encoder.finish()]);
            device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
            steps.push(model.steps());
        }
        let scores = block_on(model.take_scores()).unwrap();
        // Nothing was submitted since.
        let mut encoder = device.create_command_encoder(&Default::default());
        let batch = Batch { data: &data, indices: &order.batch(0) };
        model.record_step(&mut encoder, batch).unwrap();
        assert_eq!(block_on(model.take_scores()).unwrap(), None);
        drop(encoder);
        assert_eq!(block_on(model.take_scores()).unwrap(), None);
        assert_eq!(model.steps(), order.len() as u64);
        (steps, scores, weights(&mut model))
    };
    assert_eq!(train(true), train(false));
}

#[test]
fn steps_that_are_submitted_late_count_when_they_have_run() {
    let (device, queue) = host();
    let data = synthetic_digits(2 * BATCH_SIZE, 0).unwrap();
    let gpu = Gpu::from_device(device.clone(), queue.clone());
    let order = BatchOrder::new(data.len(), BATCH_SIZE, Shuffle::Off, 0, 0);
    let mut encoders = Vec::new();
    let mut model = model(&gpu, &data);
    block_on(model.prepare_steps(BATCH_SIZE)).unwrap();
    for index in 0..2 {
        let mut encoder = device.create_command_encoder(&Default::default());
        let batch = Batch { data: &data, indices: &order.batch(index) };
        model.record_step(&mut encoder, batch).unwrap();
        encoders.push(encoder);
    }
    let second = encoders.pop().map(wgpu::CommandEncoder::finish);
    let first = encoders.pop().map(wgpu::CommandEncoder::finish);
    assert_eq!(block_on(model.take_scores()).unwrap(), None);
    let before = model.evaluate(&data, Evaluate::new().batch_size(BATCH_SIZE).steps(1)).unwrap();
    for encoder in [second, first] {
        queue.submit(encoder);
        let scores = block_on(model.take_scores()).unwrap().unwrap();
        assert!(scores.loss > 0.5 * before.loss && scores.loss < 2.0 * before.loss, "{scores:?}");
    }
    assert_eq!(model.steps(), 2);
}

/// Once it has run, a step takes memory that is there: no buffer is made for it.
#[test]
fn a_steady_step_allocates_nothing_on_the_device() {
    let (device, queue) = host();
    let data = synthetic_digits(BATCH_SIZE, 0).unwrap();
    let mut model = model(&Gpu::from_device(device.clone(), queue.clone()), &data);
    block_on(model.prepare_steps(BATCH_SIZE)).unwrap();
    let indices: Vec<u32> = (0..BATCH_SIZE as u32).collect();
    let mut step = || {
        let mut encoder = device.create_command_encoder(&Default::default());
        model.record_step(&mut encoder, Batch { data: &data, indices: &indices }).unwrap();
        queue.submit([encoder.finish()]);
        device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
        let report = device.generate_allocator_report().expect("Vulkan tells its allocations");
        let mut names: Vec<_> = report.allocations.into_iter().map(|made| made.name).collect();
        names.sort();
        names
    };
    for _ in 0..3 {
        step();
    }
    let before = step();
    assert!(before.iter().any(|name| name.contains("minibatch.all.parameters")), "{before:?}");
    for _ in 0..10 {
        assert_eq!(step(), before);
    }
}
