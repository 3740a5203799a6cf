//! A call whose future is dropped, at any of its polls, leaves a model that works.

#[path = "support/digits.rs"]
mod digits;
#[path = "support/host.rs"]
mod host;

use std::task::{Context, Waker};

use digits::{BATCH_SIZE, model, weights};
use minibatch::data::{Batch, BatchOrder, Dataset, Shuffle, synthetic_digits};
use minibatch::gpu::block_on;
use minibatch::{Error, Evaluate, Fit, Gpu, Model, Predict};

fn host() -> (wgpu::Device, wgpu::Queue) {
    let host = host::Host::with_default_limits();
    (host.device, host.queue)
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
