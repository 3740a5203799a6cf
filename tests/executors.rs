//! A fit as a future on executors that are not ours: smol's, tokio's, and a frame loop that polls
//! by hand. No test goes by the clock: they count what happened in each poll.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use minibatch::callbacks::LambdaCallback;
use minibatch::data::{Dataset, synthetic_digits};
use minibatch::model::Input;
use minibatch::training::{Backend, Callback, Control, StepEnd};
use minibatch::{
    Activation, Adam, Cpu, DataOn, Fit, Gpu, Loss, Metric, Model, Sequential, Shuffle,
};

const BATCH_SIZE: usize = 8;

/// A device of ours has a thread that polls it; a host's is polled by the host.
struct Place {
    backend: Backend,
    host: Option<wgpu::Device>,
}

impl Place {
    fn all() -> [Place; 3] {
        let own = Gpu::new().unwrap_or_else(|error| panic!("{error}"));
        let (device, queue) = host();
        let hosts = Gpu::from_device(device.clone(), queue);
        [
            Place { backend: Backend::from(&Cpu::new()), host: None },
            Place { backend: Backend::from(&own.with_submit_time(Duration::MAX)), host: None },
            Place {
                backend: Backend::from(&hosts.with_submit_time(Duration::MAX)),
                host: Some(device),
            },
        ]
    }

    fn model(&self) -> Model {
        let mut model = Sequential::new(Input::pixels(&[28, 28]))
            .dense(16, Activation::Relu)
            .dropout(0.25)
            .dense(10, Activation::Softmax)
            .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
            .build(self.backend.clone())
            .unwrap();
        model.prepare_fit(BATCH_SIZE).unwrap();
        model
    }

    /// What a host does once a frame.
    fn frame(&self) {
        if let Some(device) = &self.host {
            device.poll(wgpu::PollType::Poll).unwrap();
        }
    }
}

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

fn digits() -> Dataset {
    synthetic_digits(200, 0).unwrap()
}

/// A fit that nobody waits for the end of; with a number, so many steps on the device's own data are
/// one submission.
fn endless<'a>(together: Option<usize>) -> Fit<'a> {
    let fit = Fit::new().batch_size(BATCH_SIZE).epochs(1_000_000);
    match together {
        None => fit,
        Some(steps) => fit.steps_per_submit(steps).data_on(DataOn::Device),
    }
}

fn bits(model: &mut Model) -> Vec<u32> {
    let weights = model.weights().unwrap();
    weights.into_iter().flat_map(|(_, _, values)| values).map(f32::to_bits).collect()
}

/// How far a fit has come.
#[derive(Default)]
struct Progress {
    steps: AtomicU64,
    submits: AtomicU64,
}

impl Progress {
    fn steps(&self) -> u64 {
        self.steps.load(Ordering::Relaxed)
    }

    fn callback(&self) -> Counting<'_> {
        Counting(self)
    }
}

/// Looks after each batch, of validation too, how far the fit has come.
struct Counting<'a>(&'a Progress);

impl Callback for Counting<'_> {
    fn batch_end(&mut self, run: &mut dyn Control, _: StepEnd) -> minibatch::Result<()> {
        self.0.steps.store(run.steps(), Ordering::Relaxed);
        self.0.submits.store(run.submits(), Ordering::Relaxed);
        Ok(())
    }

    fn test_batch_end(&mut self, run: &mut dyn Control, _: StepEnd) -> minibatch::Result<()> {
        self.0.submits.store(run.submits(), Ordering::Relaxed);
        Ok(())
    }
}

/// Awaits `fit`, and checks after each poll that it has made one step and one submission at most:
/// whoever looks at a clock between two polls is late by no more than that.
async fn one_submit_a_poll<F: Future>(fit: F, progress: &Progress) -> F::Output {
    let mut fit = pin!(fit);
    let (mut steps, mut submits) = (0, None);
    poll_fn(|context| {
        let result = fit.as_mut().poll(context);
        let now = progress.steps();
        assert!(now - steps <= 1, "{steps} steps, and {now} after the next poll");
        steps = now;
        let now = progress.submits.load(Ordering::Relaxed);
        // Those before the first step are not of the loop.
        assert!(now - submits.unwrap_or(now) <= 1, "{submits:?} submissions, and {now}");
        submits = (steps > 0).then_some(now);
        result
    })
    .await
}

/// Gives other tasks their turn.
async fn turn() {
    let mut yielded = false;
    poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Another task of the same thread, until `over`: in each of its turns it calls `frame`, and looks
/// how many steps the fit has made since the last one. Its turns, and the most such steps.
async fn beside(progress: &Progress, over: &AtomicBool, frame: impl Fn()) -> (u64, u64) {
    let (mut turns, mut most, mut steps) = (0, 0, progress.steps());
    while !over.load(Ordering::Relaxed) {
        frame();
        turns += 1;
        let now = progress.steps();
        most = most.max(now - steps);
        steps = now;
        turn().await;
    }
    (turns, most)
}

/// A timer for executors without one.
struct After(Arc<Mutex<(bool, Option<Waker>)>>);

impl After {
    fn new(time: Duration) -> Self {
        let state = Arc::new(Mutex::new((false, None::<Waker>)));
        let timer = Arc::clone(&state);
        std::thread::spawn(move || {
            std::thread::sleep(time);
            let mut state = timer.lock().unwrap();
            state.0 = true;
            if let Some(waker) = state.1.take() {
                waker.wake();
            }
        });
        After(state)
    }
}

impl Future for After {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.lock().unwrap();
        state.1 = Some(context.waker().clone());
        if state.0 { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// Awaits `future` until `time` is over; `None` if that is first.
async fn within<F: Future>(time: Duration, future: F) -> Option<F::Output> {
    let (mut future, mut timer) = (pin!(future), pin!(After::new(time)));
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => timer.as_mut().poll(context).map(|()| None),
    })
    .await
}

/// A fit that `limited` ends after the time that it is given, with so many steps a submission.
fn cancelled_within_a_submission(
    limited: impl Fn(Duration, &Place, &mut Model, Option<usize>, &Arc<Progress>) -> (u64, u64),
) {
    let data = digits();
    for place in Place::all() {
        for together in [None, Some(4)] {
            // A busy machine may make no step within 50 ms.
            for time in (0..10).map(|doubled| Duration::from_millis(50 << doubled)) {
                let (mut model, progress) = (place.model(), Arc::new(Progress::default()));
                let (turns, between) = limited(time, &place, &mut model, together, &progress);
                let (steps, seen) = (model.steps(), progress.steps());
                // The last step may have been made without a call of its hook.
                assert!(seen <= steps && steps <= seen + 1, "{seen} of {steps} steps");
                if steps < 3 {
                    continue;
                }
                assert!(turns >= steps, "{turns} turns of the other task in {steps} steps");
                assert!(between <= 1, "{between} steps between two turns of the other task");
                let mut stop = LambdaCallback::new().on_batch_end(|run, _| {
                    if run.steps() == steps {
                        run.stop();
                    }
                    Ok(())
                });
                let mut stopped = place.model();
                stopped.fit(&data, endless(together).callback(&mut stop)).unwrap();
                assert!(bits(&mut stopped) == bits(&mut model), "{together:?}, {steps} steps");
                break;
            }
        }
    }
}

#[test]
fn a_fit_with_a_time_limit_on_smol_ends_within_a_submission_beside_other_tasks() {
    let data = digits();
    cancelled_within_a_submission(|time, place, model, together, progress| {
        let over = AtomicBool::new(false);
        let mut callback = progress.callback();
        let executor = async_executor::LocalExecutor::new();
        let other = executor.spawn(beside(progress, &over, || place.frame()));
        let limited = executor.spawn(async {
            let fit = model.fit_async(&data, endless(together).callback(&mut callback));
            let ended = within(time, one_submit_a_poll(fit, progress)).await;
            over.store(true, Ordering::Relaxed);
            ended
        });
        pollster::block_on(executor.run(async {
            assert!(limited.await.is_none(), "the fit has ended");
            other.await
        }))
    });
}

#[test]
fn a_fit_with_a_time_limit_on_tokio_ends_within_a_submission_beside_other_tasks() {
    let data = digits();
    cancelled_within_a_submission(|time, place, model, together, progress| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let mut callback = progress.callback();
        let other = {
            let (progress, over) = (Arc::clone(progress), Arc::clone(&over));
            let host = place.host.clone();
            async move {
                let place = Place { backend: Backend::from(&Cpu::new()), host };
                beside(&progress, &over, || place.frame()).await
            }
        };
        runtime.block_on(async {
            let other = tokio::spawn(other);
            let fit = model.fit_async(&data, endless(together).callback(&mut callback));
            let limited = one_submit_a_poll(fit, progress);
            assert!(tokio::time::timeout(time, limited).await.is_err(), "the fit has ended");
            over.store(true, Ordering::Relaxed);
            other.await.unwrap()
        })
    });
}

/// A fit of three epochs, as in the tests below.
fn short<'a>() -> Fit<'a> {
    Fit::new().batch_size(BATCH_SIZE).epochs(3).validation_split(0.2)
}

/// Trains a model of its own, which goes along to the threads of an executor.
async fn trained(mut model: Model, data: Dataset) -> Vec<u32> {
    model.fit_async(&data, short()).await.unwrap();
    let weights = model.weights_async().await.unwrap();
    weights.into_iter().flat_map(|(_, _, values)| values).map(f32::to_bits).collect()
}

#[test]
fn fits_that_are_spawned_on_several_threads_have_the_bits_of_one_alone() {
    let data = digits();
    for place in Place::all() {
        let mut alone = place.model();
        alone.fit(&data, short()).unwrap();
        let alone = bits(&mut alone);
        let (over, executor) = (AtomicBool::new(false), async_executor::Executor::new());
        std::thread::scope(|scope| {
            // The host's frames.
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    place.frame();
                    std::thread::yield_now();
                }
            });

            let tasks = || [0, 1, 2].map(|_| trained(place.model(), data.clone()));
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_time()
                .build()
                .unwrap();
            for task in tasks().map(|task| runtime.spawn(task)) {
                assert!(runtime.block_on(task).unwrap() == alone);
            }

            scope.spawn(|| {
                pollster::block_on(executor.run(async {
                    while !over.load(Ordering::Relaxed) {
                        turn().await;
                    }
                }));
            });
            let tasks = tasks().map(|task| executor.spawn(task));
            pollster::block_on(executor.run(async {
                for task in tasks {
                    assert!(task.await == alone);
                }
            }));
            over.store(true, Ordering::Relaxed);
        });
    }
}

#[test]
fn a_frame_loop_that_polls_by_hand_makes_one_step_a_frame_at_most() {
    let data = digits();
    for place in Place::all() {
        for data_on in [DataOn::Host, DataOn::Device] {
            let fit = || short().data_on(data_on).shuffle(Shuffle::Full);
            let mut alone = place.model();
            alone.fit(&data, fit()).unwrap();
            let (mut model, progress) = (place.model(), Progress::default());
            let mut frames = 0;
            {
                let mut callback = progress.callback();
                let fit = model.fit_async(&data, fit().callback(&mut callback));
                let mut fit = pin!(one_submit_a_poll(fit, &progress));
                let mut context = Context::from_waker(Waker::noop());
                while fit.as_mut().poll(&mut context).is_pending() {
                    place.frame();
                    frames += 1;
                }
            }
            // 160 samples make 20 steps an epoch, and the 40 that are held out 5 steps of validation.
            assert_eq!(model.steps(), 3 * 20);
            assert!(frames >= 3 * (20 + 5), "{frames} frames");
            assert!(bits(&mut model) == bits(&mut alone), "{data_on:?}");
        }
    }
}
