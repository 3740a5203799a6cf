//! What the loader delivers: 60,000 shuffled images of 784 bytes in memory, in batches of 128, into
//! upload memory. `cargo bench --bench loader --features noop [-- --json]`.
//!
//! On wgpu's noop backend, which takes all commands and runs none, so that nothing but the loader
//! and the recording of the steps takes time. A number of workers and a form of the data take turns
//! in every round, so that other load meets all of them. What a copy of the same rows into ordinary
//! memory takes, without a loader, is measured beside them.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use minibatch::data::{BatchOrder, Dataset, Features, Shuffle, Source};
use minibatch::model::Input;
use minibatch::random::{Random, Stream};
use minibatch::{Activation, Fit, Gpu, Loss, Model, Sequential, Sgd};

const SAMPLES: usize = 60_000;
const WIDTH: usize = 784;
const BATCH_SIZE: usize = 128;
const EPOCHS: u32 = 10;
const ROUNDS: usize = 9;

fn gpu() -> Gpu {
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
    let device = pollster::block_on(adapter.request_device(&Default::default()));
    let (device, queue) = device.expect("it gives a device");
    Gpu::from_device(device, queue)
}

fn model(gpu: &Gpu) -> Model {
    Sequential::new(Input::pixels(&[WIDTH]))
        .dense(10, Activation::Softmax)
        .compile(Sgd::new(0.01), Loss::SparseCategoricalCrossentropy, [])
        .build(gpu)
        .expect("the model fits the device")
}

/// A form of the data, and how many threads read ahead.
struct Way {
    name: &'static str,
    source: Source,
    workers: usize,
    samples_per_second: Vec<f64>,
}

fn main() {
    let mut random = Random::new(0, Stream::Shuffle(0));
    let pixels: Vec<u8> = (0..SAMPLES * WIDTH).map(|_| random.below(256) as u8).collect();
    let pixels = Arc::new(pixels);
    let labels: Vec<u32> = (0..SAMPLES).map(|_| random.below(10) as u32).collect();
    let data = Dataset::new(Features::U8(Arc::clone(&pixels)), &[WIDTH], labels);
    let data = data.expect("shapes agree");
    let mapped = Source::from(&data).map(|_, _| Ok(()));
    let way = |name, source: &Source, workers| Way {
        name,
        source: source.clone(),
        workers,
        samples_per_second: Vec::new(),
    };
    let arrays = Source::from(&data);
    let mut ways = [
        way("arrays", &arrays, 0),
        way("arrays", &arrays, 1),
        way("arrays", &arrays, 2),
        way("map", &mapped, 1),
        way("map", &mapped, 2),
    ];
    let mut model = model(&gpu());
    let mut copies = Vec::new();
    for round in 0..=ROUNDS {
        for way in &mut ways {
            let fit = Fit::new().batch_size(BATCH_SIZE).epochs(EPOCHS).workers(way.workers);
            let start = Instant::now();
            model.fit(&way.source, fit).expect("it trains");
            let seconds = start.elapsed().as_secs_f64();
            // The first round compiles and allocates.
            if round > 0 {
                way.samples_per_second.push(SAMPLES as f64 * f64::from(EPOCHS) / seconds);
            }
        }
        let start = Instant::now();
        for epoch in 0..EPOCHS {
            copy(&pixels, epoch);
        }
        copies.push(SAMPLES as f64 * f64::from(EPOCHS) / start.elapsed().as_secs_f64());
    }
    let gigabytes = |samples_per_second: f64| samples_per_second * WIDTH as f64 / 1e9;
    let results: Vec<_> = ways
        .iter_mut()
        .map(|way| {
            let (median, most) = median_and_most(&mut way.samples_per_second);
            serde_json::json!({
                "form": way.name, "workers": way.workers, "samples_per_second": median,
                "gb_per_second": gigabytes(median), "most_gb_per_second": gigabytes(most),
            })
        })
        .collect();
    let (copy, _) = median_and_most(&mut copies);
    if std::env::args().any(|argument| argument == "--json") {
        let report = serde_json::json!({
            "results": results, "copy_gb_per_second": gigabytes(copy),
        });
        println!("{report:#}");
        return;
    }
    println!(
        "{SAMPLES} u8 images of {WIDTH}, shuffled, batch {BATCH_SIZE}; median of {ROUNDS} (best)"
    );
    println!("{:>10} {:>8} {:>12} {:>16}", "form", "workers", "samples/s", "GB/s");
    for result in &results {
        println!(
            "{:>10} {:>8} {:>12.0} {:>8.2} ({:.2})",
            result["form"].as_str().unwrap_or_default(),
            result["workers"],
            result["samples_per_second"].as_f64().unwrap_or_default(),
            result["gb_per_second"].as_f64().unwrap_or_default(),
            result["most_gb_per_second"].as_f64().unwrap_or_default(),
        );
    }
    println!("the same rows copied to ordinary memory by one thread: {:.2} GB/s", gigabytes(copy));
}

/// Copies the rows of an epoch, batch by batch.
fn copy(pixels: &[u8], epoch: u32) {
    let order = BatchOrder::new(SAMPLES, BATCH_SIZE, Shuffle::Full, 0, epoch);
    let mut batch = vec![0; BATCH_SIZE * WIDTH];
    let mut indices = Vec::new();
    for number in 0..order.len() {
        order.batch_into(number, &mut indices);
        for (row, &index) in batch.chunks_exact_mut(WIDTH).zip(&indices) {
            let start = index as usize * WIDTH;
            row.copy_from_slice(&pixels[start..start + WIDTH]);
        }
        black_box(&mut batch);
    }
}

fn median_and_most(values: &mut [f64]) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    (values[values.len() / 2], values[values.len() - 1])
}
