//! Whether a host's frames keep to their budget: 784-128-10 in batches of 32 is trained for at most so
//! long a frame. `cargo bench --bench budget [-- --frames N] [--budget MS] [--json]`.
//!
//! It prints two numbers, on a device with timestamps and on one without: how many frames took the
//! device less than one and a half times the budget, and how much of the budget was used. The time of a
//! frame is told by timestamps of the host's own around the steps, or, without them, by the clock from
//! the submission to its end. All frames count, the first ones too.

use std::ops::Range;
use std::time::{Duration, Instant};

use minibatch::model::Input;
use minibatch::random::{Random, Stream};
use minibatch::{
    Activation, Adam, BoundRows, DeviceColumns, DeviceElement, DeviceRows, Gpu, Loss, Metric,
    Model, Sequential,
};
use wgpu::util::DeviceExt;

const BATCH_SIZE: u32 = 32;
const SAMPLES: u32 = 4096;
const FRAMES: usize = 1000;
const BUDGET_MS: usize = 8;

/// The number after `name` among the arguments.
fn argument(name: &str) -> Option<usize> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1).map(|number| number.parse().expect("a number"))
}

/// A host, and what it times its frames with.
struct Host {
    device: wgpu::Device,
    queue: wgpu::Queue,
    /// Two timestamps, and where they are read.
    queries: Option<(wgpu::QuerySet, wgpu::Buffer, wgpu::Buffer)>,
}

impl Host {
    /// `None` if the adapter has no such feature.
    fn with(features: wgpu::Features) -> Option<Self> {
        let descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
        let instance = wgpu::Instance::new(descriptor);
        let adapter = pollster::block_on(instance.request_adapter(&Default::default()));
        let adapter = adapter.expect("an adapter");
        if !adapter.features().contains(features) {
            return None;
        }
        let descriptor =
            wgpu::DeviceDescriptor { required_features: features, ..Default::default() };
        let (device, queue) =
            pollster::block_on(adapter.request_device(&descriptor)).expect("it gives a device");
        let buffer = |usage| {
            let (label, size) = (None, 16);
            let mapped_at_creation = false;
            device.create_buffer(&wgpu::BufferDescriptor { label, size, usage, mapped_at_creation })
        };
        let queries = features.contains(wgpu::Features::TIMESTAMP_QUERY).then(|| {
            let queries = device.create_query_set(&wgpu::QuerySetDescriptor {
                label: None,
                ty: wgpu::QueryType::Timestamp,
                count: 2,
            });
            let resolved = buffer(wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC);
            let read = buffer(wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST);
            (queries, resolved, read)
        });
        Some(Host { device, queue, queries })
    }

    /// An empty pass that writes timestamp `place`.
    fn mark(&self, encoder: &mut wgpu::CommandEncoder, place: u32) {
        if let Some((query_set, _, _)) = &self.queries {
            encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: None,
                timestamp_writes: Some(wgpu::ComputePassTimestampWrites {
                    query_set,
                    beginning_of_pass_write_index: Some(place),
                    end_of_pass_write_index: None,
                }),
            });
        }
    }

    /// Submits a frame and waits for it: how long it took the device.
    fn frame(&self, record: impl FnOnce(&mut wgpu::CommandEncoder)) -> Duration {
        let mut encoder = self.device.create_command_encoder(&Default::default());
        self.mark(&mut encoder, 0);
        record(&mut encoder);
        self.mark(&mut encoder, 1);
        if let Some((queries, resolved, read)) = &self.queries {
            encoder.resolve_query_set(queries, 0..2, resolved, 0);
            encoder.copy_buffer_to_buffer(resolved, 0, read, 0, 16);
            encoder.map_buffer_on_submit(read, wgpu::MapMode::Read, .., |read| {
                read.expect("it is read");
            });
        }
        let commands = encoder.finish();
        let begun = Instant::now();
        self.queue.submit([commands]);
        self.device.poll(wgpu::PollType::wait_indefinitely()).expect("the device goes on");
        let took = begun.elapsed();
        let Some((_, _, read)) = &self.queries else { return took };
        let ticks: Vec<u64> = {
            let view = read.get_mapped_range(..).expect("it is mapped");
            bytemuck::pod_collect_to_vec(&view)
        };
        read.unmap();
        let period = f64::from(self.queue.get_timestamp_period());
        Duration::from_nanos(((ticks[1] - ticks[0]) as f64 * period) as u64)
    }

    fn model(&self) -> (Model, BoundRows) {
        let gpu = Gpu::from_device(self.device.clone(), self.queue.clone());
        let mut model = Sequential::new(Input::pixels(&[28, 28]))
            .dense(128, Activation::Relu)
            .dense(10, Activation::Softmax)
            .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
            .build(&gpu)
            .expect("the model fits the device");
        let mut random = Random::new(0, Stream::Shuffle(0));
        let pixels: Vec<u8> = (0..SAMPLES * 784).map(|_| random.below(256) as u8).collect();
        let labels: Vec<u32> = (0..SAMPLES).map(|_| random.below(10) as u32).collect();
        let rows = |contents: &[u8], element| {
            let buffer = self.device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
                label: None,
                contents,
                usage: wgpu::BufferUsages::STORAGE,
            });
            DeviceRows::new(&buffer, SAMPLES).element(element)
        };
        let columns = DeviceColumns::new()
            .input("input", rows(&pixels, DeviceElement::U8))
            .target("output", rows(bytemuck::cast_slice(&labels), DeviceElement::U32));
        let bound = pollster::block_on(model.bind_rows(columns, BATCH_SIZE as usize));
        (model, bound.expect("the rows fit"))
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let frames = argument("--frames").unwrap_or(FRAMES).max(1);
    let budget_ms = argument("--budget").unwrap_or(BUDGET_MS).max(1);
    let budget = Duration::from_millis(budget_ms as u64);
    let json = std::env::args().any(|argument| argument == "--json");
    let batches: Vec<Range<u32>> = (0..SAMPLES / BATCH_SIZE)
        .map(|batch| batch * BATCH_SIZE..(batch + 1) * BATCH_SIZE)
        .collect();
    let mut lines = Vec::new();
    for (way, features) in
        [("timestamps", wgpu::Features::TIMESTAMP_QUERY), ("clock", wgpu::Features::empty())]
    {
        let Some(host) = Host::with(features) else { continue };
        let (mut model, bound) = host.model();
        let mut next = 0;
        let measured: Vec<(Duration, usize)> = (0..frames)
            .map(|_| {
                let mut steps = 0;
                let took = host.frame(|encoder| {
                    let due: Vec<_> =
                        batches.iter().cycle().skip(next).take(128).cloned().collect();
                    steps = model
                        .record_steps_within(encoder, &bound, &due, budget)
                        .expect("the steps are recorded");
                });
                next = (next + steps) % batches.len();
                (took, steps)
            })
            .collect();
        let below = measured.iter().filter(|(took, _)| *took < budget * 3 / 2).count();
        let below = below as f64 / frames as f64;
        let used: Duration = measured.iter().map(|(took, _)| *took).sum();
        let used = used.as_secs_f64() / (budget.as_secs_f64() * frames as f64);
        let steps = median(measured.iter().map(|&(_, steps)| steps as f64).collect());
        let step = model.step_time().unwrap_or_default();
        match json {
            true => lines.push(serde_json::json!({
                "way": way, "frames": frames, "budget_ms": budget_ms, "below_one_and_a_half": below,
                "used": used, "steps_a_frame": steps, "step_us": step.as_secs_f64() * 1e6,
            })),
            false => println!(
                "{way}: {:.1}% of {frames} frames took less than {:.1} ms, {:.1}% of {budget_ms} ms a \
                 frame were used; {steps} steps a frame (median), a step of {:.0} us",
                100.0 * below,
                1.5 * budget_ms as f64,
                100.0 * used,
                step.as_secs_f64() * 1e6,
            ),
        }
    }
    if json {
        println!("{}", serde_json::Value::from(lines));
    }
}
