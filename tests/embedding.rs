//! The engine as a guest on the host's device.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use approx::assert_abs_diff_eq;
use minibatch::callbacks::LambdaCallback;
use minibatch::cpu::CpuExecutor;
use minibatch::data::{Batch, BatchOrder, Dataset, Features, Shuffle, synthetic_digits};
use minibatch::gpu::{AdapterClass, FusedSteps, GpuExecutor, GpuFeed, block_on};
use minibatch::model::{Compiled, Input, Objective, lower};
use minibatch::program::{BufferId, Column, Element, Feed, Metrics, Pass, Program, Role};
use minibatch::training::{History, Request, Scores, fill};
use minibatch::{
    Activation, Adam, DeviceError, Error, Evaluate, Fit, Functional, Gpu, Loss, Metric, Model,
    Predict, Sequential,
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

#[test]
fn a_lost_device_is_an_error_and_no_panic() {
    let (device, queue) = host();
    let data = synthetic_digits(64, 0).unwrap();
    let gpu = Gpu::from_device(device.clone(), queue);
    let mut model = model(&gpu, &data);
    model.fit(&data, Fit::new()).unwrap();
    let bias = model.weight("dense_1.bias").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model");
    model.save(&path).unwrap();
    model.restore(&path).unwrap();
    // No handler: wgpu's own one panics.
    device.destroy();
    let lost = |result: Result<(), Error>| {
        let error = result.unwrap_err();
        assert!(error.is_lost(), "{error}");
        assert!(matches!(error, Error::Device(DeviceError::Lost { .. })), "{error}");
    };
    lost(model.fit(&data, Fit::new()).map(|_| ()));
    lost(model.weight("dense_1.bias").map(|_| ()));
    lost(model.set_weight("dense_1.bias", &bias));
    lost(model.restore(&path));
}

/// Makes a model on a device of its own and calls `work` on it, while another thread destroys the
/// device some time later, each round at another one.
fn against_destroy(rounds: u64, work: impl Fn(&mut Model, &Dataset) -> Result<(), Error>) {
    let data = synthetic_digits(BATCH_SIZE, 0).unwrap();
    for round in 0..rounds {
        let (device, queue) = host();
        let mut model = model(&Gpu::from_device(device.clone(), queue), &data);
        work(&mut model, &data).unwrap();
        let started = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                started.wait();
                std::thread::sleep(std::time::Duration::from_micros(20 * round));
                device.destroy();
            });
            started.wait();
            let error = std::iter::repeat_with(|| work(&mut model, &data)).find_map(Result::err);
            assert!(error.as_ref().is_some_and(Error::is_lost), "round {round}: {error:?}");
        });
    }
}

#[test]
fn a_device_that_is_lost_amidst_a_read_is_an_error_and_no_panic() {
    against_destroy(60, |model, _| {
        let bias = model.weight("dense_1.bias")?;
        assert_eq!(bias, [0.0; 32]);
        Ok(())
    });
}

#[test]
fn a_device_that_is_lost_amidst_fit_is_an_error_and_no_panic() {
    against_destroy(20, |model, data| {
        model.fit(data, Fit::new().batch_size(4).shuffle(Shuffle::Off)).map(|_| ())
    });
}

#[test]
fn a_device_that_is_lost_amidst_recording_is_an_error_and_no_panic() {
    let data = synthetic_digits(BATCH_SIZE, 0).unwrap();
    for round in 0..20 {
        let (device, queue) = host();
        let mut model = model(&Gpu::from_device(device.clone(), queue), &data);
        block_on(model.prepare_steps(BATCH_SIZE)).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(std::time::Duration::from_micros(5 * round));
                device.destroy();
            });
            let batch = Batch { data: &data, indices: &[0, 1, 2] };
            let error = loop {
                let mut encoder = device.create_command_encoder(&Default::default());
                match model.record_step(&mut encoder, batch) {
                    Err(error) => break error,
                    Ok(()) => drop(encoder),
                }
            };
            assert!(error.is_lost(), "{error:?}");
        });
    }
}

/// Polls `future` so many times, the device between, and drops it unless it has ended.
fn drop_after<T>(
    polls: usize,
    device: &wgpu::Device,
    future: impl Future<Output = T>,
) -> Option<T> {
    let mut future = std::pin::pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..polls {
        if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return Some(value);
        }
        device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
    }
    // The last poll's work is still under way.
    let mut last = Context::from_waker(Waker::noop());
    match future.as_mut().poll(&mut last) {
        std::task::Poll::Ready(value) => Some(value),
        std::task::Poll::Pending => None,
    }
}

/// Drops what `start` begins at each of its polls, and looks whether the model still works: it has
/// made so many whole steps, and scores as one that has never done anything else.
fn dropped_anywhere(start: impl AsyncFn(&mut Model, &Dataset) -> Result<(), Error>) {
    let (device, queue) = host();
    let data = synthetic_digits(5 * 4, 0).unwrap();
    let gpu = Gpu::from_device(device.clone(), queue);
    let order = BatchOrder::new(data.len(), 4, Shuffle::Off, 0, 0);
    let mut straight = model(&gpu, &data);
    let mut expected = Vec::new();
    for step in 0..=2 * order.len() {
        let scores = straight.evaluate(&data, Evaluate::new().batch_size(7)).unwrap();
        let predictions = straight.predict(&data, Predict::new().batch_size(7)).unwrap();
        expected.push((weights(&mut straight), scores, predictions));
        let indices = &order.batch(step % order.len());
        straight.train_on_batch(Batch { data: &data, indices }).unwrap();
    }
    let mut pending = 0;
    for polls in 0.. {
        let mut model = model(&gpu, &data);
        let ended = drop_after(polls, &device, start(&mut model, &data));
        let steps = model.steps() as usize;
        let (weights_after, scores, predictions) = &expected[steps];
        assert_eq!(&weights(&mut model), weights_after, "dropped after {polls} polls");
        assert_eq!(&model.evaluate(&data, Evaluate::new().batch_size(7)).unwrap(), scores);
        assert_eq!(&model.predict(&data, Predict::new().batch_size(7)).unwrap(), predictions);
        let batch = Batch { data: &data, indices: &order.batch(steps % order.len()) };
        model.train_on_batch(batch).unwrap();
        assert_eq!(weights(&mut model), expected[steps + 1].0, "dropped after {polls} polls");
        if let Some(result) = ended {
            result.unwrap();
            break;
        }
        pending += 1;
    }
    assert!(pending > 0, "it has never waited");
}

#[test]
fn a_dropped_fit_leaves_a_model_that_works() {
    dropped_anywhere(async |model, data| {
        let fit = Fit::new().batch_size(4).shuffle(Shuffle::Off);
        model.fit_async(data, fit).await.map(|_| ())
    });
}

#[test]
fn a_dropped_evaluation_leaves_a_model_that_works() {
    dropped_anywhere(async |model, data| {
        model.evaluate_async(data, Evaluate::new().batch_size(4)).await.map(|_| ())
    });
}

#[test]
fn a_dropped_prediction_leaves_a_model_that_works() {
    dropped_anywhere(async |model, data| {
        model.predict_async(data, Predict::new().batch_size(4)).await.map(|_| ())
    });
}

#[test]
fn a_dropped_step_leaves_a_model_that_works() {
    dropped_anywhere(async |model, data| {
        let batch = Batch { data, indices: &[0, 1, 2, 3] };
        model.train_on_batch_async(batch).await.map(|_| ())
    });
}

#[test]
fn scores_that_were_not_awaited_to_the_end_are_not_lost() {
    let (device, queue) = host();
    let data = synthetic_digits(BATCH_SIZE, 0).unwrap();
    let gpu = Gpu::from_device(device.clone(), queue.clone());
    let indices: Vec<u32> = (0..BATCH_SIZE as u32).collect();
    let mut expected = None;
    for polls in 0.. {
        let mut model = model(&gpu, &data);
        block_on(model.prepare_steps(BATCH_SIZE)).unwrap();
        let mut encoder = device.create_command_encoder(&Default::default());
        model.record_step(&mut encoder, Batch { data: &data, indices: &indices }).unwrap();
        queue.submit([encoder.finish()]);
        if polls == 0 {
            expected = block_on(model.take_scores()).unwrap();
            assert!(expected.is_some());
            continue;
        }
        match drop_after(polls - 1, &device, model.take_scores()) {
            Some(scores) => {
                assert_eq!(scores.unwrap(), expected);
                assert!(polls > 1, "it has never waited");
                break;
            }
            None => assert_eq!(block_on(model.take_scores()).unwrap(), expected),
        }
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

/// A program of two inputs, floats that are padded on the device and bytes, and data for it.
fn two_inputs(samples: usize) -> (Arc<Program>, Compiled, Dataset) {
    let mut model = Functional::new();
    let floats = model.input("floats", 5);
    let floats = model.dense(floats, 3, Activation::Relu);
    let pixels = model.input("pixels", Input::pixels(&[2, 4]));
    let pixels = model.dense(pixels, 4, Activation::Relu);
    let both = model.concatenate([floats, pixels]);
    let classes = model.dense(both, 3, Activation::Softmax);
    model.output("class", classes);
    let objective = Objective::new(Loss::SparseCategoricalCrossentropy);
    let compiled = model.compile(Adam::default(), [("class", objective)]);
    let program = Arc::new(lower(&compiled).unwrap());
    let floats: Vec<f32> = (0..samples * 5).map(|i| (i % 17) as f32 / 17.0 - 0.4).collect();
    let pixels: Vec<u8> = (0..samples * 8).map(|i| (i * 37 % 251) as u8).collect();
    let labels: Vec<u32> = (0..samples as u32).map(|i| i % 3).collect();
    let inputs = [
        ("floats", Features::F32(Arc::new(floats)), &[5][..]),
        ("pixels", Features::U8(Arc::new(pixels)), &[2, 4]),
    ];
    let data = Dataset::named(inputs, [("class", labels.into())]).unwrap();
    (program, compiled, data)
}

fn executor(gpu: &Gpu, program: &Arc<Program>) -> GpuExecutor {
    let mut executor = block_on(GpuExecutor::new(gpu, Arc::clone(program))).unwrap();
    for (id, parameter) in program.of_role(Role::Parameter) {
        let count = parameter.live_rows(0) * parameter.columns;
        let values: Vec<f64> = (0..count).map(|i| (i % 7) as f64 / 7.0 - 0.4).collect();
        block_on(executor.write(id, &values)).unwrap();
    }
    executor
}

fn parameters(executor: &mut GpuExecutor) -> Vec<f64> {
    let program = Arc::clone(executor.program());
    let parameters = program.of_role(Role::Parameter);
    parameters.flat_map(|(id, _)| block_on(executor.read(id, 0)).unwrap()).collect()
}

#[test]
fn a_feed_may_be_filled_on_other_threads_or_copied_from_the_hosts_buffers() {
    const ROWS: usize = 6;
    let (device, queue) = host();
    let (program, compiled, data) = two_inputs(2 * ROWS);
    let gpu = Gpu::from_device(device.clone(), queue.clone());
    let batch = |step: usize| -> Vec<u32> {
        (0..ROWS as u32).map(|row| row + (step * ROWS) as u32).collect()
    };
    let run = |executor: &mut GpuExecutor, feed: GpuFeed, number: u64| {
        let step = compiled.optimizer.step(ROWS, number, 0.1);
        block_on(executor.run(Pass::Train, feed, &step)).unwrap();
    };

    let mut plain = executor(&gpu, &program);
    for step in 0..2 {
        let mut feed = block_on(plain.feed(ROWS)).unwrap();
        let batch = Batch { data: &data, indices: &batch(step) };
        fill(&mut feed, &program, Pass::Train, batch).unwrap();
        run(&mut plain, feed, step as u64 + 1);
    }
    let expected = parameters(&mut plain);
    assert_ne!(expected, parameters(&mut executor(&gpu, &program)));

    // The second is filled before the first has run; each column on a thread of its own.
    let rows_of = |id: BufferId, step: usize| -> Vec<Vec<u8>> {
        let part = |index: u32| {
            let sample = data.sample(index as usize).unwrap();
            match program.buffer(id).role {
                Role::Target => sample.target(0).to_vec(),
                Role::SampleWeight => 1f32.to_ne_bytes().to_vec(),
                _ if program.buffer(id).element == Element::U8 => sample.input(1).to_vec(),
                _ => sample.input(0).to_vec(),
            }
        };
        batch(step).into_iter().map(part).collect()
    };
    let mut threaded = executor(&gpu, &program);
    let feeds = [0, 1].map(|step| (step, block_on(threaded.feed(ROWS)).unwrap()));
    let feeds = feeds.map(|(step, mut feed)| {
        std::thread::scope(|scope| {
            for (id, mut column) in feed.columns() {
                let rows = rows_of(id, step);
                scope.spawn(move || rows.iter().for_each(|row| column.push(row).unwrap()));
            }
        });
        feed
    });
    for (number, feed) in (1..).zip(feeds) {
        run(&mut threaded, feed, number);
    }
    assert_eq!(parameters(&mut threaded), expected);

    let mut mirrored = executor(&gpu, &program);
    for step in 0..2 {
        let mut feed = block_on(mirrored.feed(ROWS)).unwrap();
        let filled = program.buffers().filter(|(_, buffer)| Pass::Train.reads(buffer.role));
        for (id, _) in filled {
            let bytes = rows_of(id, step).concat();
            let buffer = device.create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size: 8 + bytes.len() as u64,
                usage: wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            });
            queue.write_buffer(&buffer, 8, &bytes);
            feed.copy_from(id, &buffer, 8).unwrap();
            assert!(feed.copy_from(id, &buffer, 12).is_err(), "beyond its end");
            assert!(feed.copy_from(id, &buffer, 6).is_err(), "not at a multiple of four bytes");
        }
        run(&mut mirrored, feed, step as u64 + 1);
    }
    assert_eq!(parameters(&mut mirrored), expected);
}

#[test]
fn a_feed_that_does_not_fit_its_step_is_refused() {
    let (device, queue) = host();
    let (program, compiled, data) = two_inputs(4);
    let mut executor = executor(&Gpu::from_device(device.clone(), queue), &program);
    let step = |rows| compiled.optimizer.step(rows, 1, 0.1);
    let refused = |result: Result<(), Error>, what: &str| {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::Argument { .. } | Error::Shape { .. }), "{error}");
        assert!(error.to_string().contains(what), "{error}");
    };
    let before = parameters(&mut executor);
    let inputs: Vec<BufferId> = program.of_role(Role::Input).map(|(id, _)| id).collect();
    let (floats, pixels) = (inputs[0], inputs[1]);
    let batch = Batch { data: &data, indices: &[0, 1, 2] };

    let mut feed = block_on(executor.feed(3)).unwrap();
    refused(feed.column(floats).unwrap().push(&[0; 19]), "19 bytes");
    refused(feed.column(program.outputs()[0].1).map(|_| ()), "no such column");
    fill(&mut feed, &program, Pass::Train, batch).unwrap();
    refused(feed.column(pixels).unwrap().push(&[0; 8]), "gets more");
    refused(block_on(executor.run(Pass::Train, feed, &step(2))), "3 rows and the step 2");
    // Slots that came to nothing are lent again.
    for _ in 0..10 {
        let mut feed = block_on(executor.feed(3)).unwrap();
        let mut column = feed.column(floats).unwrap();
        column.push(&[0; 20]).unwrap();
        refused(block_on(executor.run(Pass::Train, feed, &step(3))), "the step needs 3");
    }
    let unusable = device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: 1024,
        usage: wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    let mut feed = block_on(executor.feed(3)).unwrap();
    refused(feed.copy_from(floats, &unusable, 0), "COPY_SRC");
    fill(&mut feed, &program, Pass::Train, batch).unwrap();
    block_on(executor.reserve(4)).unwrap();
    refused(block_on(executor.run(Pass::Train, feed, &step(3))), "take a new one");
    refused(block_on(executor.feed(0)).map(|_| ()), "rows");
    assert_eq!(parameters(&mut executor), before, "something ran");
}

#[test]
fn what_runs_on_the_device_may_be_awaited_on_any_thread() {
    fn sent<T: Send>(value: T) -> T {
        value
    }
    let (device, queue) = host();
    let (program, compiled, data) = two_inputs(3);
    let gpu = Gpu::from_device(device, queue);
    let batch = Batch { data: &data, indices: &[0, 1, 2] };
    let step = compiled.optimizer.step(3, 1, 0.1);
    std::thread::scope(|scope| {
        let work = scope.spawn(|| {
            let mut executor =
                block_on(sent(GpuExecutor::new(&gpu, Arc::clone(&program)))).unwrap();
            let feed = block_on(sent(executor.feed(3))).unwrap();
            (executor, feed)
        });
        let (mut executor, mut feed) = work.join().unwrap();
        fill(&mut feed, &program, Pass::Train, batch).unwrap();
        let ran = scope.spawn(move || {
            block_on(sent(executor.run(Pass::Train, feed, &step))).unwrap();
            block_on(sent(executor.read_metrics())).unwrap()
        });
        assert_ne!(ran.join().unwrap(), Metrics::default());
    });
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
