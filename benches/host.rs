//! What a training step of 784-128-10 costs the host: on wgpu's noop backend, which takes all
//! commands and runs none. `cargo bench --bench host --features noop [-- --json]`.
//!
//! As a guest that records a step into an encoder of its own and submits it, by `fit` with the data on
//! the host, and by `fit` with the data on the device, one step and 50 steps a submission; the upload
//! at the beginning counts among its steps. They take turns in every round, so that other load meets
//! all. `--batch-size N` measures one batch size, `--rounds N` so many rounds.
//!
//! And as a guest whose samples and labels lie in buffers of the host's: what recording steps and
//! finishing the encoder cost the host's frame, which submits it anyway; what an empty encoder costs is
//! taken off. One step and eight steps a frame. `--guest` measures nothing else.

use std::sync::Arc;
use std::time::{Duration, Instant};

use minibatch::data::{Batch, BatchOrder, Dataset, Features, Shuffle};
use minibatch::model::Input;
use minibatch::random::{Random, Stream};
use minibatch::{
    Activation, Adam, BoundRows, DataOn, DeviceColumns, DeviceElement, DeviceRows, Fit, Gpu, Loss,
    Metric, Model, Sequential,
};

const ROUNDS: usize = 9;
const BATCH_SIZES: [usize; 3] = [32, 128, 1024];
/// Steps in a submission where the data lie on the device.
const TOGETHER: [usize; 2] = [1, 50];
/// Steps in a frame of a guest whose samples lie in the host's buffers.
const GUEST_STEPS: [usize; 2] = [1, 8];
const SAMPLES: usize = 16_384;
/// Steps in a round, each way. A run of `fit` is one round, so that uploading the data once counts as
/// little as it does in a training.
const STEPS: usize = 8192;

fn device() -> (wgpu::Device, wgpu::Queue) {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: wgpu::Backends::NOOP,
        backend_options: wgpu::BackendOptions {
            noop: wgpu::NoopBackendOptions { enable: true, ..Default::default() },
            ..Default::default()
        },
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let adapter = pollster::block_on(instance.request_adapter(&Default::default()));
    let adapter = adapter.expect("wgpu is built with its noop backend");
    pollster::block_on(adapter.request_device(&Default::default())).expect("it gives a device")
}

fn model(gpu: &Gpu) -> Model {
    Sequential::new(Input::pixels(&[28, 28]))
        .dense(128, Activation::Relu)
        .dense(10, Activation::Softmax)
        .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
        .build(gpu)
        .expect("the model fits the device")
}

struct Host {
    device: wgpu::Device,
    queue: wgpu::Queue,
    model: Model,
}

impl Host {
    /// Records and submits each step of `epochs` passes through the data.
    fn record(&mut self, data: &Dataset, batch_size: usize, epochs: u32) {
        for epoch in 0..epochs {
            let order = BatchOrder::new(data.len(), batch_size, Shuffle::Full, 0, epoch);
            for index in 0..data.len() / batch_size {
                let mut encoder = self.device.create_command_encoder(&Default::default());
                let batch = Batch { data, indices: &order.batch(index) };
                self.model.record_step(&mut encoder, batch).expect("a slot is free");
                self.queue.submit([encoder.finish()]);
            }
        }
    }
}

/// A guest whose samples lie in buffers of the host's.
struct Guest {
    device: wgpu::Device,
    queue: wgpu::Queue,
    model: Model,
    bound: BoundRows,
    batch_size: u32,
    /// The first row of the next step.
    next: u32,
}

impl Guest {
    /// On a device of its own, as all that lies on a device adds to the cost of each pass.
    fn new(batch_size: usize) -> Self {
        let (device, queue) = device();
        let gpu = Gpu::from_device(device.clone(), queue.clone());
        let rows = |bytes: usize| {
            let buffer = device.create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size: (SAMPLES * bytes) as u64,
                usage: wgpu::BufferUsages::STORAGE,
                mapped_at_creation: false,
            });
            DeviceRows::new(&buffer, SAMPLES as u32)
        };
        let columns = DeviceColumns::new()
            .input("image", rows(784).element(DeviceElement::U8))
            .target("class", rows(4).element(DeviceElement::U32));
        let mut model = model(&gpu);
        let bound = pollster::block_on(model.bind_rows(columns, batch_size)).expect("it has room");
        Guest { device, queue, model, bound, batch_size: batch_size as u32, next: 0 }
    }

    /// Microseconds that a frame's encoder takes to be made, given `steps` steps and finished.
    fn frame(&mut self, steps: usize) -> f64 {
        let batches: Vec<_> = (0..steps)
            .map(|_| {
                let first = self.next;
                self.next = (first + self.batch_size) % SAMPLES as u32;
                first..first + self.batch_size
            })
            .collect();
        let start = Instant::now();
        let mut encoder = self.device.create_command_encoder(&Default::default());
        if !batches.is_empty() {
            let recorded = self.model.record_steps(&mut encoder, &self.bound, &batches);
            recorded.expect("a slot is free");
        }
        let commands = encoder.finish();
        let taken = start.elapsed().as_secs_f64() * 1e6;
        self.queue.submit([commands]);
        taken
    }

    /// Median and least microseconds of a step in frames of `steps` steps, over and above those of a
    /// frame without one: of rounds of frames, in each of which both take turns. A round's is that of
    /// its median frames, which other load on the machine does not interrupt.
    fn steps(&mut self, steps: usize, rounds: usize) -> [f64; 2] {
        const FRAMES: usize = 2048;
        let mut round = || {
            let frames: Vec<_> = (0..FRAMES).map(|_| [self.frame(0), self.frame(steps)]).collect();
            let [without, with] = [0, 1].map(|way| {
                let [median, _] = median_and_least(frames.iter().map(|both| both[way]).collect());
                median
            });
            (with - without) / steps as f64
        };
        round();
        median_and_least((0..rounds).map(|_| round()).collect())
    }
}

fn fit(model: &mut Model, data: &Dataset, fit: Fit<'_>, batch_size: usize, epochs: u32) {
    model.fit(data, fit.batch_size(batch_size).epochs(epochs)).expect("it trains");
}

fn on_device(together: usize) -> Fit<'static> {
    Fit::new().data_on(DataOn::Device).steps_per_submit(together)
}

/// Microseconds for one of `steps`.
fn time(steps: usize, work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64() * 1e6 / steps as f64
}

/// Median and least.
fn median_and_least(mut values: Vec<f64>) -> [f64; 2] {
    values.sort_by(f64::total_cmp);
    [values[values.len() / 2], values[0]]
}

/// The number after `name` among the arguments.
fn argument(name: &str) -> Option<usize> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1).map(|number| number.parse().expect("a number"))
}

fn main() {
    let (device, queue) = device();
    // Nothing is measured first, so that all steps are alike.
    let gpu = Gpu::from_device(device.clone(), queue.clone()).with_submit_time(Duration::MAX);
    let mut random = Random::new(0, Stream::Shuffle(0));
    let pixels = (0..SAMPLES * 784).map(|_| random.below(256) as u8).collect();
    let labels: Vec<u32> = (0..SAMPLES).map(|_| random.below(10) as u32).collect();
    let data =
        Dataset::new(Features::U8(Arc::new(pixels)), &[28, 28], labels).expect("shapes agree");

    let rounds = argument("--rounds").unwrap_or(ROUNDS).max(1);
    let batch_sizes = argument("--batch-size").map_or(BATCH_SIZES.to_vec(), |size| vec![size]);
    let json = std::env::args().any(|argument| argument == "--json");
    if std::env::args().any(|argument| argument == "--guest") {
        for batch_size in batch_sizes {
            let mut guest = Guest::new(batch_size);
            for steps in GUEST_STEPS {
                let [median, least] = guest.steps(steps, rounds);
                println!("batch {batch_size}, {steps} a frame: {median:.2} us a step ({least:.2})");
            }
        }
        return;
    }
    if !json {
        println!("784-128-10, microseconds of the host a step; median of {rounds} rounds (least)");
        println!(
            "{:>10} {:>20} {:>20} {:>20} {:>20} {:>20} {:>20}",
            "batch",
            "record and submit",
            "fit, host",
            "device, 1 a submit",
            "device, 50 a submit",
            "guest, 1 a frame",
            "guest, 8 a frame"
        );
    }
    let mut rows = Vec::new();
    for batch_size in batch_sizes {
        let mut host = Host { device: device.clone(), queue: queue.clone(), model: model(&gpu) };
        pollster::block_on(host.model.prepare_steps(batch_size)).expect("it has room");
        let mut trained = model(&gpu);
        let mut resident = TOGETHER.map(|_| model(&gpu));
        let by_host = || Fit::new().data_on(DataOn::Host);
        let epochs = (STEPS * batch_size / SAMPLES) as u32;
        host.record(&data, batch_size, 1);
        fit(&mut trained, &data, by_host(), batch_size, 1);
        for (model, together) in resident.iter_mut().zip(TOGETHER) {
            fit(model, &data, on_device(together), batch_size, 1);
        }
        let measured: Vec<[f64; 4]> = (0..rounds)
            .map(|_| {
                let recorded = time(STEPS, || host.record(&data, batch_size, epochs));
                let by_host =
                    time(STEPS, || fit(&mut trained, &data, by_host(), batch_size, epochs));
                let [first, second] = [0, 1].map(|way| {
                    let fitted = on_device(TOGETHER[way]);
                    time(STEPS, || fit(&mut resident[way], &data, fitted, batch_size, epochs))
                });
                [recorded, by_host, first, second]
            })
            .collect();
        let ways = [0, 1, 2, 3]
            .map(|way| median_and_least(measured.iter().map(|round| round[way]).collect()));
        let mut guest = Guest::new(batch_size);
        let guest = GUEST_STEPS.map(|steps| guest.steps(steps, rounds));
        let [recorded, fitted, one, fifty] = ways;
        rows.push(serde_json::json!({
            "batch_size": batch_size,
            "record_us": recorded[0], "record_least_us": recorded[1],
            "fit_us": fitted[0], "fit_least_us": fitted[1],
            "resident_us": one[0], "resident_least_us": one[1],
            "resident_50_us": fifty[0], "resident_50_least_us": fifty[1],
            "guest_us": guest[0][0], "guest_least_us": guest[0][1],
            "guest_8_us": guest[1][0], "guest_8_least_us": guest[1][1],
        }));
        if !json {
            let cells = ways.into_iter().chain(guest);
            let cells: Vec<_> = cells
                .map(|[median, least]| format!("{:>20}", format!("{median:.2} ({least:.2})")))
                .collect();
            println!("{batch_size:>10} {}", cells.join(" "));
        }
    }
    if json {
        println!("{:#}", serde_json::json!({ "network": "784-128-10", "results": rows }));
    }
}
