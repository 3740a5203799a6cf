//! What the place of the data costs: 784-128-10 with Adam on 60,000 images of bytes.
//! `cargo bench --bench data [-- --json]`.
//!
//! On the CPU, at batch 128: arrays in memory, the same in two gzip files that are decompressed in
//! each epoch by one worker, and in two plain files that are read by position. On a GPU, at batch 32
//! and 128: data on the host, and on the device. The ways take turns in every round, so that other
//! load meets all of them. The images are those of MNIST if `MNIST_DIR` names it, else synthetic
//! digits.

use std::path::Path;
use std::time::Instant;

use minibatch::data::{
    Dataset, IdxArray, Shuffle, Source, read_idx_dir, synthetic_digits, write_idx,
};
use minibatch::model::Input;
use minibatch::training::Backend;
use minibatch::{Activation, Adam, Cpu, DataOn, Fit, Gpu, Loss, Metric, Model, Result, Sequential};

const ROUNDS: usize = 7;

struct Way {
    name: &'static str,
    model: Model,
    source: Source,
    batch_size: usize,
    workers: usize,
    data_on: DataOn,
    /// Samples of a round.
    steps: usize,
    samples_per_second: Vec<f64>,
}

impl Way {
    fn new(name: &'static str, backend: &Backend, source: &Source, batch_size: usize) -> Self {
        let model = Sequential::new(Input::pixels(&[28, 28]))
            .dense(128, Activation::Relu)
            .dense(10, Activation::Softmax)
            .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
            .build(backend.clone())
            .expect("it fits");
        Way {
            name,
            model,
            source: source.clone(),
            batch_size,
            workers: 0,
            data_on: DataOn::Host,
            steps: 400,
            samples_per_second: Vec::new(),
        }
    }

    fn run(&mut self, counts: bool) -> Result<()> {
        let fit = Fit::new().batch_size(self.batch_size).shuffle(Shuffle::Off);
        let fit = fit.workers(self.workers).data_on(self.data_on).steps_per_epoch(self.steps);
        let start = Instant::now();
        self.model.fit(&self.source, fit)?;
        let samples = (self.steps * self.batch_size) as f64;
        if counts {
            self.samples_per_second.push(samples / start.elapsed().as_secs_f64());
        }
        Ok(())
    }

    fn median(&mut self) -> f64 {
        self.samples_per_second.sort_by(f64::total_cmp);
        self.samples_per_second.get(ROUNDS / 2).copied().unwrap_or_default()
    }
}

/// Runs the ways in turn, and prints each beside the first.
fn compare(title: &str, mut ways: Vec<Way>) -> Result<Vec<serde_json::Value>> {
    for round in 0..=ROUNDS {
        for way in &mut ways {
            // The first round compiles, allocates and fills caches.
            way.run(round > 0)?;
        }
    }
    let first = ways.first_mut().map_or(1.0, Way::median);
    let json = std::env::args().any(|argument| argument == "--json");
    let mut results = Vec::new();
    for way in &mut ways {
        let rate = way.median();
        if !json {
            println!("{title:>28} {:>22} {rate:>10.0} samples/s {:>6.3}", way.name, rate / first);
        }
        results.push(serde_json::json!({
            "where": title, "data": way.name, "samples_per_second": rate, "ratio": rate / first,
        }));
    }
    Ok(results)
}

/// The images and labels of a set as IDX files, plain and compressed by gzip.
fn write(directory: &Path, data: &Dataset) -> Result<()> {
    let mut images = Vec::new();
    for index in 0..data.len() {
        images.extend_from_slice(data.sample(index)?.input(0));
    }
    let labels: Vec<u8> = data.labels().iter().map(|&label| label as u8).collect();
    let images = IdxArray { shape: vec![data.len(), 28, 28], data: images };
    let labels = IdxArray { shape: vec![data.len()], data: labels };
    for (kind, array) in [("images", images), ("labels", labels)] {
        write_idx(&directory.join(kind), &array, false)?;
        write_idx(&directory.join(format!("{kind}.gz")), &array, true)?;
    }
    Ok(())
}

fn main() -> Result<()> {
    let data = match std::env::var_os("MNIST_DIR") {
        Some(directory) => read_idx_dir(Path::new(&directory))?.train,
        None => synthetic_digits(60_000, 0)?,
    };
    let directory = tempfile::tempdir().expect("a directory for files");
    write(directory.path(), &data)?;
    let file = |name: &str| directory.path().join(name);
    let arrays = Source::from(&data);
    let gzip = Source::idx_pair(&file("images.gz"), &file("labels.gz"))?;
    let plain = Source::idx_pair(&file("images"), &file("labels"))?;

    let cpu = Backend::from(&Cpu::new());
    let one_worker = |way: Way| Way { workers: 1, ..way };
    let mut results = compare(
        "CPU, batch 128",
        vec![
            Way::new("arrays in memory", &cpu, &arrays, 128),
            one_worker(Way::new("gzip files, 1 worker", &cpu, &gzip.repeat_forever(), 128)),
            one_worker(Way::new("plain files, 1 worker", &cpu, &plain, 128)),
        ],
    )?;
    let gpu = Backend::from(&Gpu::new()?);
    for (batch_size, title) in [(32, "GPU, batch 32"), (128, "GPU, batch 128")] {
        let on_device = Way::new("on the device", &gpu, &arrays, batch_size);
        results.extend(compare(
            title,
            vec![
                Way::new("on the host", &gpu, &arrays, batch_size),
                one_worker(Way::new("on the host, 1 worker", &gpu, &arrays, batch_size)),
                Way { data_on: DataOn::Device, ..on_device },
            ],
        )?);
    }
    if std::env::args().any(|argument| argument == "--json") {
        println!("{:#}", serde_json::json!({ "network": "784-128-10", "results": results }));
    }
    Ok(())
}
