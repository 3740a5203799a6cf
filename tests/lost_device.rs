//! A device that is lost: the model goes on from its last snapshot on another one.

use minibatch::callbacks::LambdaCallback;
use minibatch::data::{Batch, BatchOrder, Dataset, Shuffle, synthetic_digits};
use minibatch::gpu::block_on;
use minibatch::model::{Compiled, Input};
use minibatch::schedule::ExponentialDecay;
use minibatch::{
    Activation, Adam, Backend, BoundRows, Cpu, DataOn, DeviceColumns, DeviceRows, Error, Evaluate,
    Fit, Gpu, Loss, Metric, Model, Resume, Sequential,
};

use wgpu::util::DeviceExt;

#[path = "support/watched_host.rs"]
mod host;
use host::Host;

/// A model in which a step depends on all that a snapshot holds: dropout on the step's number, moving
/// statistics, gradients that three steps add up, a rate by schedule.
fn compiled() -> Compiled {
    let schedule = ExponentialDecay::new(0.01, 4, 0.5);
    Sequential::new(Input::pixels(&[28, 28]))
        .dense(16, Activation::Relu)
        .batch_normalization()
        .dropout(0.25)
        .dense(10, Activation::Softmax)
        .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
        .schedule(schedule)
        .gradient_accumulation_steps(3)
}

fn digits() -> Dataset {
    synthetic_digits(36, 0).unwrap().with_classes(10).unwrap()
}

/// Three epochs of four steps, the last of each smaller.
fn fit<'a>(data_on: DataOn) -> Fit<'a> {
    Fit::new().batch_size(8).epochs(3).validation_split(0.2).data_on(data_on)
}

const STEPS: u64 = 12;

#[test]
fn a_fit_goes_on_with_the_same_bits_on_a_new_device_wherever_the_old_one_is_lost() {
    let data = digits();
    let spare = Host::new();
    let spare_gpu = spare.gpu();
    for data_on in [DataOn::Host, DataOn::Device] {
        let mut whole = compiled().build(&spare_gpu).unwrap();
        let expected = whole.fit(&data, fit(data_on)).unwrap();
        let bits = whole.save_bytes().unwrap();
        assert_eq!(whole.steps(), STEPS);
        for lost_after in 1..STEPS {
            let host = Host::new();
            let mut model = compiled().build(&host.gpu()).unwrap();
            let mut loses = LambdaCallback::new().on_batch_end(|run, _| {
                if run.steps() == lost_after {
                    host.device.destroy();
                }
                Ok(())
            });
            let breaking = fit(data_on).snapshot_every(2).callback(&mut loses);
            let error = model.fit(&data, breaking).unwrap_err();
            assert!(error.is_lost(), "{error}");
            assert!(host.was_told_of_loss());

            let rebuilt = model.rebuild(&spare_gpu).unwrap();
            // After an even number of steps, and at the beginning. The fifth step is the first of the
            // second epoch.
            let last = if lost_after.is_multiple_of(2) { lost_after - 2 } else { lost_after - 1 };
            assert_eq!(rebuilt.steps, last, "lost after {lost_after}");
            assert_eq!(rebuilt.resume, Some(Resume::new(last as u32 / 4, last as usize % 4)));
            assert_eq!((model.steps(), model.snapshot_steps()), (last, Some(last)));
            let history = model.fit(&data, fit(data_on).resume(rebuilt.resume)).unwrap();
            assert!(model.save_bytes().unwrap() == bits, "lost after {lost_after}");
            let all = expected.epochs.last().unwrap();
            let end = history.epochs.last().unwrap();
            assert_eq!(end.validation, all.validation);
            assert_eq!(end.epoch, 3);
            assert_eq!(host.uncaptured(), [""; 0]);
        }
    }
    assert_eq!(spare.uncaptured(), [""; 0]);
}

/// Records `steps` of the training of a guest, each an encoder of its own that is submitted.
fn record(model: &mut Model, host: &Host, data: &Dataset, steps: std::ops::Range<u64>) {
    block_on(model.prepare_steps(8)).unwrap();
    for step in steps {
        record_one(model, host, data, step).unwrap();
    }
}

fn record_one(model: &mut Model, host: &Host, data: &Dataset, step: u64) -> Result<(), Error> {
    let order = BatchOrder::new(data.len(), 8, Shuffle::Full, 0, step as u32 / 5);
    let mut encoder = host.encoder();
    let indices = &order.batch(step as usize % order.len());
    model.record_step(&mut encoder, Batch { data, indices })?;
    host.queue.submit([encoder.finish()]);
    let _ = host.device.poll(wgpu::PollType::wait_indefinitely());
    Ok(())
}

#[test]
fn a_guest_goes_on_recording_with_the_same_bits_on_a_new_device() {
    let data = digits();
    let spare = Host::new();
    let spare_gpu = spare.gpu();
    let mut whole = compiled().build(&spare_gpu).unwrap();
    record(&mut whole, &spare, &data, 0..11);
    let expected = whole.save_bytes().unwrap();
    for (snapshot_after, lost_after) in [(0, 3), (4, 4), (5, 9), (7, 8)] {
        let host = Host::new();
        let mut model = compiled().build(&host.gpu()).unwrap();
        record(&mut model, &host, &data, 0..snapshot_after);
        assert_eq!(model.snapshot().unwrap(), snapshot_after);
        record(&mut model, &host, &data, snapshot_after..lost_after);
        // One more is on its way.
        let mut encoder = host.encoder();
        model.record_step(&mut encoder, Batch { data: &data, indices: &[0, 1] }).unwrap();
        host.device.destroy();
        drop(encoder);
        // A slot that is filled already can still be recorded; no other comes back.
        let mut steps = lost_after..lost_after + 4;
        let error = steps.find_map(|step| record_one(&mut model, &host, &data, step).err());
        assert!(error.as_ref().is_some_and(Error::is_lost), "{error:?}");
        assert!(block_on(model.take_scores()).is_err_and(|error| error.is_lost()));
        assert!(model.snapshot().is_err_and(|error| error.is_lost()));

        let rebuilt = model.rebuild(&spare_gpu).unwrap();
        assert_eq!((rebuilt.steps, rebuilt.resume), (snapshot_after, None));
        record(&mut model, &spare, &data, rebuilt.steps..11);
        assert!(model.save_bytes().unwrap() == expected, "lost after {lost_after}");
        // Its scores are those of the steps since it was rebuilt, and no others.
        let scores = block_on(model.take_scores()).unwrap();
        assert!(scores.is_some());
        assert_eq!(host.uncaptured(), [""; 0]);
    }
    assert_eq!(spare.uncaptured(), [""; 0]);
}

#[test]
fn a_step_that_is_not_submitted_is_in_no_snapshot_and_no_file() {
    let data = digits();
    let host = Host::new();
    let mut model = compiled().build(&host.gpu()).unwrap();
    record(&mut model, &host, &data, 0..4);
    let before = model.save_bytes().unwrap();
    let mut encoder = host.encoder();
    for _ in 0..2 {
        model.record_step(&mut encoder, Batch { data: &data, indices: &[0, 1, 2] }).unwrap();
    }
    assert_eq!(model.steps(), 6);
    assert_eq!(model.snapshot().unwrap(), 4);
    assert!(model.save_bytes().unwrap() == before);
    host.queue.submit([encoder.finish()]);
    assert_eq!(model.snapshot().unwrap(), 6);
    assert!(model.save_bytes().unwrap() != before);
    // Back to the snapshot, on the same device.
    let after = model.save_bytes().unwrap();
    record(&mut model, &host, &data, 6..8);
    assert_eq!(model.rebuild(&host.gpu()).unwrap().steps, 6);
    assert!(model.save_bytes().unwrap() == after);
}

#[test]
fn rows_that_were_bound_on_the_lost_device_are_bound_again() {
    let (host, spare) = (Host::new(), Host::new());
    let compiled = || {
        let layers = Sequential::new(3).dense(4, Activation::Relu).dense(2, Activation::Linear);
        layers.compile(Adam::default(), Loss::MeanSquaredError, [])
    };
    let values: Vec<f32> = (0..8 * 5).map(|i| (i * 29 % 101) as f32 / 101.0).collect();
    let bound = |model: &mut Model, host: &Host| {
        let buffer = host.device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: None,
            contents: bytemuck::cast_slice(&values),
            usage: wgpu::BufferUsages::STORAGE,
        });
        let rows = DeviceRows::new(&buffer, 8).stride(20);
        let columns = DeviceColumns::new().input("x", rows.clone()).target("y", rows.offset(12));
        block_on(model.bind_rows(columns, 4)).unwrap()
    };
    let step = |model: &mut Model, host: &Host, rows: &BoundRows, first: u32| {
        let mut encoder = host.encoder();
        model.record_step_on(&mut encoder, rows, first..first + 4)?;
        host.queue.submit([encoder.finish()]);
        Ok(())
    };
    let mut whole = compiled().build(&spare.gpu()).unwrap();
    let rows = bound(&mut whole, &spare);
    for first in [0, 4, 2] {
        step(&mut whole, &spare, &rows, first).unwrap();
    }
    let expected = whole.save_bytes().unwrap();

    let mut model = compiled().build(&host.gpu()).unwrap();
    let old = bound(&mut model, &host);
    step(&mut model, &host, &old, 0).unwrap();
    assert_eq!(model.snapshot().unwrap(), 1);
    step(&mut model, &host, &old, 4).unwrap();
    host.device.destroy();
    assert_eq!(model.rebuild(&spare.gpu()).unwrap().steps, 1);
    let refused: Result<(), Error> = step(&mut model, &spare, &old, 4);
    assert!(matches!(refused, Err(Error::Argument { .. })), "{refused:?}");
    assert_eq!(model.steps(), 1);
    let rows = bound(&mut model, &spare);
    for first in [4, 2] {
        step(&mut model, &spare, &rows, first).unwrap();
    }
    assert!(model.save_bytes().unwrap() == expected);
    assert_eq!((host.uncaptured(), spare.uncaptured()), (vec![], vec![]));
}

#[test]
fn a_model_goes_on_on_the_cpu() {
    let data = digits();
    let mut expected = compiled().build(&Cpu::new()).unwrap();
    expected.fit(&data, fit(DataOn::Host)).unwrap();
    let host = Host::new();
    let mut model = compiled().build(&host.gpu()).unwrap();
    let mut loses = LambdaCallback::new().on_batch_end(|run, _| {
        if run.steps() == 7 {
            host.device.destroy();
        }
        Ok(())
    });
    let breaking = fit(DataOn::Host).snapshot_every(3).callback(&mut loses);
    assert!(model.fit(&data, breaking).is_err_and(|error| error.is_lost()));
    let rebuilt = model.rebuild(&Cpu::new()).unwrap();
    assert_eq!((rebuilt.steps, rebuilt.resume), (6, Some(Resume::new(1, 2))));
    model.fit(&data, fit(DataOn::Host).resume(rebuilt.resume)).unwrap();
    assert_eq!(model.steps(), STEPS);
    // Half of the steps ran in the rounding of another device.
    let [on_both, on_cpu] =
        [&mut model, &mut expected].map(|m| m.weight("dense_1.weight").unwrap());
    let largest = on_cpu.iter().fold(0f32, |most, value| most.max(value.abs()));
    for (a, b) in on_both.iter().zip(&on_cpu) {
        assert!((a - b).abs() <= 1e-3 * largest, "{a} is not {b}");
    }
}

#[test]
fn without_a_snapshot_the_error_says_what_to_do() {
    let host = Host::new();
    let mut model = compiled().build(&host.gpu()).unwrap();
    host.device.destroy();
    let error = model.rebuild(&Cpu::new()).unwrap_err();
    assert!(matches!(error, Error::Argument { argument: "snapshot", .. }), "{error}");
    for way in ["Model::snapshot", "Fit::snapshot_every", "Model::load"] {
        assert!(error.to_string().contains(way), "{error}");
    }
    assert_eq!(model.snapshot_steps(), None);
    assert!(model.snapshot().is_err_and(|error| error.is_lost()));
    assert_eq!(model.snapshot_steps(), None);
}

#[test]
fn a_rebuild_that_fails_can_be_tried_again() {
    let data = digits();
    let host = Host::new();
    let mut model = compiled().build(&host.gpu()).unwrap();
    model.fit(&data, fit(DataOn::Host)).unwrap();
    model.set_metadata("who", "the guest").unwrap();
    model.snapshot().unwrap();
    let expected = model.save_bytes().unwrap();
    host.device.destroy();
    // A snapshot that fails leaves the one before.
    assert!(model.snapshot().is_err_and(|error| error.is_lost()));
    assert_eq!(model.snapshot_steps(), Some(STEPS));
    let other = Host::new();
    other.device.destroy();
    assert!(model.rebuild(&other.gpu()).is_err_and(|error| error.is_lost()));
    assert_eq!(model.snapshot_steps(), Some(STEPS));
    let third = Host::new();
    {
        let gpu = third.gpu();
        let mut dropped = std::pin::pin!(model.rebuild_async(&gpu));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let _ = dropped.as_mut().poll(&mut context);
    }
    assert_eq!(model.rebuild(&third.gpu()).unwrap().steps, STEPS);
    assert!(model.save_bytes().unwrap() == expected);
    assert_eq!(model.metadata("who"), Some("the guest"));
    model.forget_snapshot();
    assert_eq!(model.snapshot_steps(), None);
    assert!(matches!(model.rebuild(&third.gpu()), Err(Error::Argument { .. })));
}

#[test]
fn a_snapshot_changes_nothing_of_a_fit_and_nonsense_is_refused() {
    let data = digits();
    let gpu = Gpu::new().unwrap_or_else(|error| panic!("{error}"));
    for backend in [Backend::from(&Cpu::new()), Backend::from(&gpu)] {
        let mut plain = compiled().build(backend.clone()).unwrap();
        let mut watched = compiled().build(backend.clone()).unwrap();
        let scores = |model: &mut Model, fit: Fit<'_>| -> Vec<_> {
            let history = model.fit(&data, fit).unwrap();
            history.epochs.into_iter().map(|e| (e.training, e.validation)).collect()
        };
        let expected = scores(&mut plain, fit(DataOn::Device));
        assert_eq!(scores(&mut watched, fit(DataOn::Device).snapshot_every(5)), expected);
        assert!(plain.save_bytes().unwrap() == watched.save_bytes().unwrap());
        assert_eq!(watched.snapshot_steps(), Some(10));
        let evaluate = |model: &mut Model| model.evaluate(&data, Evaluate::new()).unwrap();
        assert_eq!(evaluate(&mut plain), evaluate(&mut watched));

        let refused = watched.fit(&data, Fit::new().snapshot_every(0)).unwrap_err();
        assert!(matches!(refused, Error::Argument { argument: "snapshot_every", .. }), "{refused}");
        for place in [Resume::new(4, 0), Resume::new(1, 99)] {
            let refused = watched.fit(&data, fit(DataOn::Host).resume(place)).unwrap_err();
            assert!(matches!(refused, Error::Argument { argument: "resume", .. }), "{refused}");
        }
        // All of it is done.
        let nothing = watched.fit(&data, fit(DataOn::Host).resume(Resume::new(3, 0))).unwrap();
        assert_eq!((nothing.epochs.len(), watched.steps()), (0, STEPS));
    }
}
