//! What a host does once a frame: it records as many steps as the frame has the time for, and looks
//! whether scores have arrived. Nothing here goes by the clock.

use std::ops::Range;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use minibatch::data::{Batch, Dataset, Features};
use minibatch::gpu::{BoundRows, block_on};
use minibatch::model::Compiled;
use minibatch::{
    Activation, Adam, Cpu, DeviceColumns, DeviceElement, DeviceRows, Error, Evaluate, Fit, Gpu,
    Loss, Metric, Model, Scores, Sequential, Sgd,
};
use wgpu::util::DeviceExt;

const SAMPLES: usize = 64;
const BATCH_SIZE: usize = 4;
const INPUTS: usize = 6;
const HOUR: Duration = Duration::from_secs(3600);

/// A device of a host with these features, if the adapter has them.
fn host(features: wgpu::Features) -> (wgpu::Device, wgpu::Queue) {
    pollster::block_on(async {
        let descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
        let adapter = wgpu::Instance::new(descriptor)
            .request_adapter(&wgpu::RequestAdapterOptions::default())
            .await
            .unwrap_or_else(|error| panic!("{error}; run: apt-get install -y mesa-vulkan-drivers"));
        let required_features = adapter.features() & features;
        let descriptor = wgpu::DeviceDescriptor { required_features, ..Default::default() };
        adapter.request_device(&descriptor).await.unwrap()
    })
}

/// One without timestamps and, if the adapter has them, one with.
fn hosts() -> [(wgpu::Device, wgpu::Queue); 2] {
    [wgpu::Features::empty(), wgpu::Features::TIMESTAMP_QUERY].map(host)
}

fn values() -> Vec<f32> {
    (0..SAMPLES * INPUTS).map(|i| (i * 29 % 101) as f32 / 101.0 - 0.4).collect()
}

fn labels() -> Vec<u32> {
    (0..SAMPLES as u32).map(|i| i * 7 % 3).collect()
}

fn data() -> Dataset {
    Dataset::new(Features::F32(Arc::new(values())), &[INPUTS], labels()).unwrap()
}

fn sequential() -> Sequential {
    Sequential::new(INPUTS).dense(8, Activation::Relu).dense(3, Activation::Softmax)
}

fn compiled() -> Compiled {
    let loss = Loss::SparseCategoricalCrossentropy;
    sequential().compile(Adam::default(), loss, [Metric::Accuracy])
}

/// One that learns nothing, so that the loss of a sample is always the same.
fn unmoved() -> Compiled {
    sequential().compile(Sgd::new(1e-30), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
}

fn columns(device: &wgpu::Device) -> DeviceColumns {
    let rows = |contents: &[u8]| {
        let buffer = device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: None,
            contents,
            usage: wgpu::BufferUsages::STORAGE,
        });
        DeviceRows::new(&buffer, SAMPLES as u32)
    };
    DeviceColumns::new()
        .input("input", rows(bytemuck::cast_slice(&values())))
        .target("output", rows(bytemuck::cast_slice(&labels())).element(DeviceElement::U32))
}

fn bound(device: &wgpu::Device, model: &mut Model) -> BoundRows {
    block_on(model.bind_rows(columns(device), BATCH_SIZE)).unwrap()
}

fn bits(model: &mut Model) -> Vec<u32> {
    let weights = model.weights().unwrap();
    weights.into_iter().flat_map(|(_, _, values)| values).map(f32::to_bits).collect()
}

fn wait(device: &wgpu::Device) {
    device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
}

/// A batch of one sample, as often as a batch has rows.
fn same(sample: usize) -> [u32; BATCH_SIZE] {
    [sample as u32; BATCH_SIZE]
}

/// The losses of steps in the order in which they ran, of which scores come some at a time.
struct Ran {
    losses: Vec<f64>,
    /// Of these so many are in scores.
    counted: usize,
}

impl Ran {
    /// Checks that `scores` are those of the next steps, and of whole ones.
    fn check(&mut self, scores: &Scores) {
        let rest = &self.losses[self.counted..];
        let of = |steps: usize| rest[..steps].iter().sum::<f64>() / steps as f64;
        let steps = (1..=rest.len()).find(|&steps| (of(steps) - scores.loss).abs() < 1e-6);
        let steps = steps.unwrap_or_else(|| {
            let (counted, all) = (self.counted, self.losses.len());
            panic!("{} is the mean of no steps from {counted} of {all} on: {rest:?}", scores.loss)
        });
        self.counted += steps;
    }
}

/// Frames of which each records a step, submits it or not, and looks for scores: each sample that
/// has run is in the scores exactly once, whatever happens between.
#[test]
fn scores_come_without_waiting_and_have_each_sample_once() {
    let (device, queue) = host(wgpu::Features::empty());
    let data = data();
    let gpu = Gpu::from_device(device.clone(), queue.clone());
    let mut model = unmoved().build(&gpu).unwrap();
    block_on(model.prepare_steps(SAMPLES)).unwrap();
    let losses: Vec<f64> = (0..SAMPLES)
        .map(|sample| {
            let indices = same(sample);
            model.test_on_batch(Batch { data: &data, indices: &indices }).unwrap().loss
        })
        .collect();
    let mut ran = Ran { losses: Vec::new(), counted: 0 };
    let (mut late, mut arrived) = (None, 0);
    for frame in 0..SAMPLES {
        let indices = same(frame);
        let mut encoder = device.create_command_encoder(&Default::default());
        model.record_step(&mut encoder, Batch { data: &data, indices: &indices }).unwrap();
        // What was held back in the last frame comes first.
        if let Some((earlier, commands)) = late.take() {
            queue.submit([commands]);
            ran.losses.push(losses[earlier]);
        }
        match frame % 5 {
            2 => drop(encoder),
            3 => late = Some((frame, encoder.finish())),
            _ => {
                queue.submit([encoder.finish()]);
                ran.losses.push(losses[frame]);
            }
        }
        match frame % 11 {
            4 => drop(model.weights().unwrap()),
            7 => drop(model.evaluate(&data, Evaluate::new().batch_size(BATCH_SIZE)).unwrap()),
            9 => {
                // A future that is dropped when it waits for the first time; a fast device has
                // answered before.
                let mut future = pin!(model.take_scores());
                let mut context = Context::from_waker(Waker::noop());
                if let Poll::Ready(scores) = future.as_mut().poll(&mut context) {
                    scores.unwrap().iter().for_each(|scores| ran.check(scores));
                }
            }
            _ => {}
        }
        if let Some(scores) = model.try_take_scores().unwrap() {
            ran.check(&scores);
            arrived += 1;
        }
        match frame % 3 {
            0 => wait(&device),
            _ => drop(device.poll(wgpu::PollType::Poll).unwrap()),
        }
    }
    if let Some((earlier, commands)) = late {
        queue.submit([commands]);
        ran.losses.push(losses[earlier]);
    }
    while let Some(scores) = block_on(model.take_scores()).unwrap() {
        ran.check(&scores);
    }
    assert_eq!(ran.counted, ran.losses.len());
    assert!(arrived > 10, "scores arrived in {arrived} frames");
    assert_eq!(model.try_take_scores().unwrap(), None);
}

#[test]
fn only_the_hosts_polls_bring_scores() {
    let (device, queue) = host(wgpu::Features::empty());
    let data = data();
    let gpu = Gpu::from_device(device.clone(), queue.clone());
    let mut model = compiled().build(&gpu).unwrap();
    block_on(model.prepare_steps(BATCH_SIZE)).unwrap();
    block_on(model.prepare_evaluations(BATCH_SIZE)).unwrap();
    let batch = Batch { data: &data, indices: &same(5) };
    let before = model.test_on_batch(batch).unwrap();
    // Nothing was recorded, so there is nothing to be waited for.
    assert_eq!(model.try_take_scores().unwrap(), None);
    wait(&device);
    assert_eq!(model.try_take_scores().unwrap(), None);
    let mut encoder = device.create_command_encoder(&Default::default());
    model.record_evaluation(&mut encoder, batch).unwrap();
    model.record_step(&mut encoder, batch).unwrap();
    queue.submit([encoder.finish()]);
    type Take = fn(&mut Model) -> Result<Option<Scores>, Error>;
    for take in [Model::try_take_scores as Take, Model::try_take_evaluation_scores] {
        for _ in 0..20 {
            assert_eq!(take(&mut model).unwrap(), None);
        }
        wait(&device);
        assert_eq!(take(&mut model).unwrap(), Some(before.clone()));
        for _ in 0..3 {
            assert_eq!(take(&mut model).unwrap(), None);
            wait(&device);
        }
    }
}

/// The batches of an endless training, from one step on.
fn batches(from: usize, count: usize) -> Vec<Range<u32>> {
    let first = |step: usize| (step * 7 % (SAMPLES - BATCH_SIZE)) as u32;
    (from..from + count).map(|step| first(step)..first(step) + BATCH_SIZE as u32).collect()
}

#[test]
fn steps_within_a_budget_are_the_same_steps() {
    const STEPS: usize = 300;
    for (device, queue) in hosts() {
        let gpu = Gpu::from_device(device.clone(), queue.clone());
        let mut alone = compiled().build(&gpu).unwrap();
        let rows = bound(&device, &mut alone);
        for batch in batches(0, STEPS) {
            let mut encoder = device.create_command_encoder(&Default::default());
            alone.record_step_on(&mut encoder, &rows, batch).unwrap();
            queue.submit([encoder.finish()]);
            wait(&device);
        }
        let mut model = compiled().build(&gpu).unwrap();
        let rows = bound(&device, &mut model);
        let (mut done, mut most, mut calls) = (0, 0, 0);
        while done < STEPS {
            let mut encoder = device.create_command_encoder(&Default::default());
            let batches = batches(done, (STEPS - done).min(20));
            let recorded = model.record_steps_within(&mut encoder, &rows, &batches, HOUR).unwrap();
            if calls == 0 {
                assert_eq!(recorded, 1, "of a step whose time is not known");
            }
            // A frame that comes to nothing, now and then.
            if calls % 7 == 3 {
                drop(encoder);
                assert_eq!(model.steps(), done as u64);
            } else {
                queue.submit([encoder.finish()]);
                done += recorded;
            }
            wait(&device);
            assert!(recorded <= batches.len());
            (most, calls) = (most.max(recorded), calls + 1);
        }
        assert_eq!(most, 20, "an hour is enough for all");
        assert!(model.step_time().is_some_and(|time| !time.is_zero() && time < HOUR));
        assert_eq!(model.steps(), STEPS as u64);
        assert!(bits(&mut model) == bits(&mut alone));
    }
}

#[test]
fn a_budget_that_is_too_small_or_a_device_that_is_behind_records_nothing() {
    for (device, queue) in hosts() {
        let gpu = Gpu::from_device(device.clone(), queue.clone());
        let mut model = compiled().upload_slots(2).build(&gpu).unwrap();
        let rows = bound(&device, &mut model);
        let within = |model: &mut Model, count: usize, budget: Duration| {
            let mut encoder = device.create_command_encoder(&Default::default());
            let batches = batches(0, count);
            let recorded =
                model.record_steps_within(&mut encoder, &rows, &batches, budget).unwrap();
            (recorded, encoder.finish())
        };
        assert_eq!(within(&mut model, 3, Duration::ZERO).0, 0);
        assert_eq!(within(&mut model, 0, HOUR).0, 0);
        assert_eq!(model.step_time(), None);
        // Both slots wait in encoders that are not submitted.
        let (first, second) = (within(&mut model, 3, HOUR), within(&mut model, 3, HOUR));
        assert_eq!((first.0, second.0, within(&mut model, 3, HOUR).0), (1, 1, 0));
        queue.submit([first.1, second.1]);
        wait(&device);
        assert_eq!(model.steps(), 2);
        assert!(model.step_time().is_some());
        // A nanosecond has not the time for a step, nor have a hundred of them.
        for _ in 0..100 {
            let (recorded, commands) = within(&mut model, 3, Duration::from_nanos(1));
            assert!(recorded == 0 || !gpu.has_timestamps(), "{recorded}");
            queue.submit([commands]);
            wait(&device);
        }
        // Rows that are not there are refused, as record_steps does.
        let mut encoder = device.create_command_encoder(&Default::default());
        let past = SAMPLES as u32;
        let beyond = std::array::from_fn::<_, 1, _>(|_| past..past + 1);
        let refused = model.record_steps_within(&mut encoder, &rows, &beyond, HOUR);
        assert!(matches!(refused, Err(Error::Argument { .. })), "{refused:?}");
        let mut on_the_cpu = compiled().build(&Cpu::new()).unwrap();
        let refused = on_the_cpu.record_steps_within(&mut encoder, &rows, &beyond, HOUR);
        assert!(matches!(refused, Err(Error::Argument { argument: "backend", .. })), "{refused:?}");
        assert_eq!(on_the_cpu.try_take_scores().unwrap(), None);
    }
}

#[test]
fn what_is_dropped_midway_leaves_the_device_usable() {
    for (device, queue) in hosts() {
        let gpu = Gpu::from_device(device.clone(), queue.clone());
        // A model whose steps and copy of scores are on their way, or in an encoder.
        for (submits, asks, waits) in
            [(true, true, false), (true, false, false), (false, true, true)]
        {
            let mut model = compiled().build(&gpu).unwrap();
            let rows = bound(&device, &mut model);
            let mut encoder = device.create_command_encoder(&Default::default());
            let batches = batches(0, 3);
            let recorded = model.record_steps_within(&mut encoder, &rows, &batches, HOUR).unwrap();
            assert_eq!(recorded, 1);
            drop(rows);
            if submits {
                queue.submit([encoder.finish()]);
            } else {
                drop(encoder);
            }
            if asks {
                assert_eq!(model.try_take_scores().unwrap(), None);
            }
            if waits {
                wait(&device);
            }
            drop(model);
            wait(&device);
        }
        let data = data();
        let mut model = compiled().build(&gpu).unwrap();
        model.fit(&data, Fit::new().batch_size(BATCH_SIZE)).unwrap();
        assert_eq!(model.steps(), (SAMPLES / BATCH_SIZE) as u64);
    }
}

/// A future that is dropped at each of the points where it waits.
#[test]
fn rows_whose_binding_was_dropped_are_bound_again() {
    let (device, queue) = host(wgpu::Features::TIMESTAMP_QUERY);
    let gpu = Gpu::from_device(device.clone(), queue.clone());
    let (mut expected, mut pending) = (None, 0);
    for polls in 0.. {
        let mut model = compiled().build(&gpu).unwrap();
        let step = |model: &mut Model, rows: &BoundRows, batch: Range<u32>| {
            let mut encoder = device.create_command_encoder(&Default::default());
            model.record_step_on(&mut encoder, rows, batch).unwrap();
            queue.submit([encoder.finish()]);
        };
        // Scores that are not read yet, which binding waits for.
        let rows = bound(&device, &mut model);
        step(&mut model, &rows, 0..BATCH_SIZE as u32);
        let ended = {
            let mut future = pin!(model.bind_rows(columns(&device), 2 * BATCH_SIZE));
            let mut context = Context::from_waker(Waker::noop());
            (0..polls).any(|_| {
                let ended = future.as_mut().poll(&mut context).is_ready();
                wait(&device);
                ended
            })
        };
        let rows = block_on(model.bind_rows(columns(&device), 2 * BATCH_SIZE)).unwrap();
        step(&mut model, &rows, 3..3 + 2 * BATCH_SIZE as u32);
        let scores = block_on(model.take_scores()).unwrap();
        let after = (scores, bits(&mut model));
        assert!(after.0.is_some());
        assert!(*expected.get_or_insert_with(|| after.clone()) == after, "after {polls} polls");
        if ended {
            break;
        }
        pending += 1;
    }
    assert!(pending > 1, "it has never waited");
}

#[test]
fn a_lost_device_is_told_by_each_call() {
    type Call = fn(&mut Model, &BoundRows, &wgpu::Device) -> Result<(), Error>;
    let calls: [(&str, Call); 4] = [
        ("fit_async", |model, _, _| block_on(model.fit_async(&data(), Fit::new())).map(|_| ())),
        ("take_scores", |model, _, _| block_on(model.take_scores()).map(|_| ())),
        ("try_take_scores", |model, _, _| model.try_take_scores().map(|_| ())),
        ("record_steps_within", |model, rows, device| {
            let mut encoder = device.create_command_encoder(&Default::default());
            model.record_steps_within(&mut encoder, rows, &batches(0, 3), HOUR).map(|_| ())
        }),
    ];
    for features in [wgpu::Features::empty(), wgpu::Features::TIMESTAMP_QUERY] {
        for asked_before in [false, true] {
            for (name, call) in calls {
                let (device, queue) = host(features);
                let gpu = Gpu::from_device(device.clone(), queue.clone());
                let mut model = compiled().build(&gpu).unwrap();
                let rows = bound(&device, &mut model);
                let mut encoder = device.create_command_encoder(&Default::default());
                model.record_steps_within(&mut encoder, &rows, &batches(0, 3), HOUR).unwrap();
                queue.submit([encoder.finish()]);
                if asked_before {
                    assert_eq!(model.try_take_scores().unwrap(), None);
                }
                // No handler: wgpu's own one panics.
                device.destroy();
                let error = std::iter::repeat_with(|| call(&mut model, &rows, &device))
                    .take(100)
                    .find_map(Result::err);
                let error = error.unwrap_or_else(|| panic!("{name} has not told"));
                assert!(error.is_lost(), "{name}: {error}");
            }
        }
    }
}
