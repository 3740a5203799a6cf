//! Whole training steps of 784-128-10, the GPU executor beside the CPU executor:
//! `cargo bench --bench step [-- --json]`. The two take turns in every round, so that other load
//! meets both; a round is as many steps as fit in about a second, ended by reading the loss.

use std::sync::Arc;
use std::time::Instant;

use minibatch::data::{Dataset, Features};
use minibatch::model::Input;
use minibatch::random::{Random, Stream};
use minibatch::training::Backend;
use minibatch::{Activation, Adam, Cpu, Fit, Gpu, Loss, Metric, Model, Sequential};

const ROUNDS: usize = 7;
const SECONDS: f64 = 1.0;
const SAMPLES: usize = 16_384;

fn model(backend: impl Into<Backend>) -> Model {
    Sequential::new(Input::pixels(&[28, 28]))
        .dense(128, Activation::Relu)
        .dense(10, Activation::Softmax)
        .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
        .build(backend)
        .expect("the model fits the device")
}

/// Seconds for one step, over `epochs` passes through the data.
fn time(model: &mut Model, data: &Dataset, batch_size: usize, epochs: u32) -> f64 {
    let start = Instant::now();
    model.fit(data, Fit::new().batch_size(batch_size).epochs(epochs)).expect("it trains");
    start.elapsed().as_secs_f64() / (f64::from(epochs) * (data.len() / batch_size) as f64)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let gpu = Gpu::new().unwrap_or_else(|error| panic!("{error}"));
    let mut random = Random::new(0, Stream::Shuffle(0));
    let pixels = (0..SAMPLES * 784).map(|_| random.below(256) as u8).collect();
    let labels: Vec<u32> = (0..SAMPLES).map(|_| random.below(10) as u32).collect();
    let data =
        Dataset::new(Features::U8(Arc::new(pixels)), &[28, 28], labels).expect("shapes agree");
    let load = || std::fs::read_to_string("/proc/loadavg").unwrap_or_else(|_| "unknown".into());
    let before = load();

    let mut results = Vec::new();
    for batch_size in [32, 128, 1024] {
        let mut models = [model(&Cpu::new()), model(&gpu)];
        let epochs = models.each_mut().map(|model| {
            time(model, &data, batch_size, 1);
            let epoch = time(model, &data, batch_size, 1) * (SAMPLES / batch_size) as f64;
            (SECONDS / epoch).clamp(1.0, 1000.0) as u32
        });
        let rounds: Vec<[f64; 2]> = (0..ROUNDS)
            .map(|_| [0, 1].map(|i| time(&mut models[i], &data, batch_size, epochs[i])))
            .collect();
        let rate = |i: usize| 1.0 / median(rounds.iter().map(|round| round[i]).collect());
        let ratio = median(rounds.iter().map(|[cpu, gpu]| cpu / gpu).collect());
        results.push((batch_size, rate(0), rate(1), ratio));
    }

    if std::env::args().any(|argument| argument == "--json") {
        let rows: Vec<_> = results
            .iter()
            .map(|(batch_size, cpu, gpu, ratio)| {
                serde_json::json!({
                    "batch_size": batch_size, "cpu_steps_per_second": cpu,
                    "gpu_steps_per_second": gpu, "gpu_to_cpu": ratio,
                })
            })
            .collect();
        let report = serde_json::json!({
            "adapter": gpu.describe(), "network": "784-128-10", "rounds": ROUNDS,
            "load_before": before.trim(), "load_after": load().trim(), "results": rows,
        });
        println!("{report:#}");
        return;
    }
    println!("784-128-10 on {}, beside the CPU executor", gpu.describe());
    println!("median of {ROUNDS} rounds in turn; load average before: {}", before.trim());
    println!("{:>10} {:>14} {:>14} {:>10}", "batch", "CPU steps/s", "GPU steps/s", "GPU to CPU");
    for (batch_size, cpu, gpu, ratio) in results {
        println!("{batch_size:>10} {cpu:>14.0} {gpu:>14.0} {ratio:>9.2}x");
    }
}
