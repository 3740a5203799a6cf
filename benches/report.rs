//! What the adapter at hand computes, and how fast, as one Markdown file that can be sent:
//! `cargo bench --bench report [-- --out FILE]`, or `cargo bench`, which runs it among
//! the others. The file is `minibatch-bench.md` in the target directory.
//!
//! First whether its numbers are right, as `mnist-gpu verify` does; then training steps a second, on
//! the GPU and on the CPU executor in turn, each kernel's time where the adapter has timestamps, and
//! the rates of the matrix kernels.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use minibatch::data::{Dataset, Features};
use minibatch::gpu::block_on;
use minibatch::model::Input;
use minibatch::parity::{self, Training};
use minibatch::random::{Random, Stream};
use minibatch::training::Backend;
use minibatch::{
    Activation, Adam, Cpu, Fit, Gpu, Loss, Metric, Model, Profile, Result, Sequential,
};

#[path = "gemm.rs"]
#[expect(dead_code, reason = "its main function is of its own benchmark")]
mod gemm;

const ROUNDS: usize = 5;
/// Each measurement of steps lasts about so long.
const SECONDS: f64 = 0.5;
const SAMPLES: usize = 16_384;
/// Steps whose kernels are timed.
const PROFILED_STEPS: usize = 20;

struct Network {
    name: &'static str,
    /// Inputs, units of each hidden layer, classes.
    sizes: &'static [usize],
    batch_size: usize,
}

const NETWORKS: [Network; 4] = [
    Network { name: "A", sizes: &[784, 128, 10], batch_size: 32 },
    Network { name: "B", sizes: &[784, 128, 10], batch_size: 128 },
    Network { name: "C", sizes: &[784, 128, 10], batch_size: 1024 },
    Network { name: "D", sizes: &[784, 1024, 1024, 10], batch_size: 256 },
];

impl Network {
    fn describe(&self) -> String {
        let sizes: Vec<String> = self.sizes.iter().map(usize::to_string).collect();
        format!("{}: {}, {}", self.name, sizes.join("-"), self.batch_size)
    }

    fn model(&self, backend: impl Into<Backend>) -> Result<Model> {
        let [inputs, hidden @ .., classes] = self.sizes else { unreachable!("two sizes at least") };
        let layers =
            hidden.iter().fold(Sequential::new(Input::pixels(&[*inputs])), |model, &units| {
                model.dense(units, Activation::Relu)
            });
        layers
            .dense(*classes, Activation::Softmax)
            .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
            .build(backend)
    }

    /// Seconds that so many steps take, ended by reading the loss.
    fn train(&self, model: &mut Model, data: &Dataset, steps: usize) -> Result<f64> {
        let start = Instant::now();
        let epoch = data.len() / self.batch_size;
        let mut left = steps;
        while left > 0 {
            // Whole epochs in one call, then the rest.
            let (epochs, each) = if left >= epoch { (left / epoch, epoch) } else { (1, left) };
            let fit = Fit::new().batch_size(self.batch_size).epochs(epochs as u32);
            model.fit(data, fit.steps_per_epoch(each))?;
            left -= epochs * each;
        }
        Ok(start.elapsed().as_secs_f64())
    }
}

fn random_data() -> Result<Dataset> {
    let mut random = Random::new(0, Stream::Shuffle(0));
    let pixels = (0..SAMPLES * 784).map(|_| random.below(256) as u8).collect();
    let labels: Vec<u32> = (0..SAMPLES).map(|_| random.below(10) as u32).collect();
    Dataset::new(Features::U8(Arc::new(pixels)), &[784], labels)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().filter(|load| !load.is_empty()).unwrap_or("unknown").into()
}

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    line.unwrap_or(std::env::consts::ARCH).into()
}

/// The version of a dependency that this was built with.
fn version(dependency: &str) -> &'static str {
    let lock = include_str!("../Cargo.lock");
    let package = lock.split(&format!("name = \"{dependency}\"\nversion = \"")).nth(1);
    package.and_then(|rest| rest.split('"').next()).unwrap_or("unknown")
}

/// A Markdown page, and the same on the terminal as it grows.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn line(&mut self, line: impl AsRef<str>) {
        println!("{}", line.as_ref());
        self.text.push_str(line.as_ref());
        self.text.push('\n');
    }

    /// A heading, with an empty line on each side.
    fn heading(&mut self, text: &str) {
        self.line(format!("\n## {text}\n"));
    }

    fn head(&mut self, columns: &[&str]) {
        self.line(format!("| {} |", columns.join(" | ")));
        self.line(format!("|{}", "---|".repeat(columns.len())));
    }
}

fn describe(page: &mut Page, gpu: &Gpu) {
    let info = gpu.info();
    page.line(format!("# minibatch {} on {}\n", env!("CARGO_PKG_VERSION"), info.name));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let system = format!("{} {}", std::env::consts::OS, std::env::consts::ARCH);
    page.head(&["", ""]);
    for (what, value) in [
        ("adapter", gpu.describe()),
        (
            "kind",
            format!(
                "{:?}, vendor {:#06x}, device {:#06x}",
                info.device_type, info.vendor, info.device
            ),
        ),
        ("subgroups", format!("{} to {}", info.subgroup_min_size, info.subgroup_max_size)),
        ("class, matrix forms", format!("{:?}, {:?}", gpu.adapter_class(), gpu.matrix_forms())),
        ("wgpu", version("wgpu").into()),
        ("system", system),
        ("processor", format!("{cores} cores of {}", processor())),
        ("load average", load()),
    ] {
        page.line(format!("| {what} | {value} |"));
    }
}

/// Whether each operation and whole trainings are within their bounds.
fn check(page: &mut Page, gpu: &Gpu) -> Result<bool> {
    page.heading("Are its numbers right?");
    let start = Instant::now();
    let mut verdicts = Vec::new();
    for form in parity::forms() {
        verdicts.push(block_on(parity::operation(gpu, &form, &parity::shapes()))?);
    }
    for training in Training::ALL {
        verdicts.push(block_on(parity::training(gpu, training))?);
    }
    let broken: Vec<_> = verdicts.iter().filter(|verdict| !verdict.passed()).collect();
    let seconds = start.elapsed().as_secs_f64();
    let (all, passed) = (verdicts.len(), verdicts.len() - broken.len());
    page.line(format!(
        "Each operation and whole trainings against the CPU in f64: **{passed} of {all} checks passed** \
         ({seconds:.0} s)."
    ));
    for verdict in &broken {
        let worst = &verdict.worst;
        let stray = verdict.stray.as_deref().unwrap_or_default();
        page.line(format!(
            "- BROKEN: {}: error {:.3e}, its bound {:.3e}, {} {stray}",
            verdict.name, worst.error, worst.bound, worst.place
        ));
    }
    Ok(broken.is_empty())
}

/// Dispatches and submissions that a model has made so far.
fn commands(model: &mut Model) -> [u64; 2] {
    model.gpu().map_or([0, 0], |gpu| [gpu.dispatched(), gpu.submits()])
}

fn steps(page: &mut Page, gpu: &Gpu, data: &Dataset) -> Result<()> {
    page.heading("Training steps a second");
    page.line(format!(
        "Adam, ReLU, softmax cross-entropy, f32; random bytes in memory, shuffled; the two in turn, \
         median of {ROUNDS} rounds of about {SECONDS} s (least to most), the upload of the data included. \
         Dispatches and submissions are of a step on the GPU.\n"
    ));
    page.head(&[
        "network, batch",
        "GPU",
        "CPU executor",
        "GPU to CPU",
        "dispatches",
        "submits",
        "first step, ms",
    ]);
    for network in &NETWORKS {
        let start = Instant::now();
        let mut on_gpu = network.model(gpu)?;
        network.train(&mut on_gpu, data, 1)?;
        let first = start.elapsed().as_secs_f64() * 1e3;
        let mut models = [on_gpu, network.model(&Cpu::new())?];
        let mut counts = [0; 2];
        for (model, count) in models.iter_mut().zip(&mut counts) {
            // What runs first may allocate; then how long a step takes is known.
            network.train(model, data, 5)?;
            let step = network.train(model, data, 5)? / 5.0;
            let steps = (SECONDS / step).clamp(2.0, 1e6) as usize;
            let step = network.train(model, data, steps)? / steps as f64;
            *count = (SECONDS / step).clamp(2.0, 1e6) as usize;
        }
        let before = commands(&mut models[0]);
        let mut rounds = [const { Vec::new() }; 2];
        for _ in 0..ROUNDS {
            for ((model, &count), rates) in models.iter_mut().zip(&counts).zip(&mut rounds) {
                rates.push(count as f64 / network.train(model, data, count)?);
            }
        }
        let ratio = median(rounds[0].iter().zip(&rounds[1]).map(|(gpu, cpu)| gpu / cpu).collect());
        let shown = rounds.map(|mut rates| {
            rates.sort_by(f64::total_cmp);
            let (least, most) = (rates[0], rates[ROUNDS - 1]);
            format!("{:.1} ({least:.1} to {most:.1})", median(rates))
        });
        let [dispatches, submits] = [0, 1].map(|i| {
            let steps = (ROUNDS * counts[0]) as f64;
            (commands(&mut models[0])[i] - before[i]) as f64 / steps
        });
        page.line(format!(
            "| {} | {} | {} | {ratio:.2} | {dispatches:.1} | {submits:.2} | {first:.0} |",
            network.describe(),
            shown[0],
            shown[1],
        ));
    }
    page.line("\nThe first step is counted from building the model: kernels are compiled, or come from the driver's cache.");
    Ok(())
}

/// Each kernel's time, by timestamp queries. They keep kernels from overlapping, so a step may take
/// less than their sum.
fn kernels(page: &mut Page, data: &Dataset) -> Result<()> {
    page.heading("Kernels");
    let gpu = Gpu::with_timestamps(None)?;
    if !gpu.has_timestamps() {
        page.line("The adapter has no timestamp queries.");
        return Ok(());
    }
    page.line(format!(
        "Mean microseconds in each of {PROFILED_STEPS} steps, by timestamp queries.\n"
    ));
    page.head(&["network, batch", "kernel", "us a step", "times a step"]);
    for network in &NETWORKS {
        let mut model = network.model(&gpu)?;
        network.train(&mut model, data, 5)?;
        let profile = Profile::new();
        model.set_profile(&profile)?;
        network.train(&mut model, data, PROFILED_STEPS)?;
        model.set_profile(&Profile::default())?;
        for (name, [microseconds, times]) in kernel_times(&profile.to_json()) {
            let [microseconds, times] =
                [microseconds, times].map(|sum| sum / PROFILED_STEPS as f64);
            let network = network.describe();
            page.line(format!("| {network} | {name} | {microseconds:.1} | {times:.2} |"));
        }
    }
    Ok(())
}

/// Microseconds and number of each kernel in a trace.
fn kernel_times(trace: &str) -> BTreeMap<String, [f64; 2]> {
    let mut kernels = BTreeMap::new();
    let trace: serde_json::Value = serde_json::from_str(trace).expect("a profile is JSON");
    for event in trace["traceEvents"].as_array().into_iter().flatten() {
        if event["cat"] == "kernel" {
            let name = event["name"].as_str().unwrap_or("?").to_owned();
            let [sum, times] = kernels.entry(name).or_insert([0.0; 2]);
            *sum += event["dur"].as_f64().unwrap_or(0.0);
            *times += 1.0;
        }
    }
    kernels
}

fn products(page: &mut Page, gpu: &Gpu) {
    page.heading("Matrix products");
    page.line(
        "A dense layer's three products by form of kernel; `naive` is one output a thread.\n",
    );
    page.head(&[
        "adapter",
        "samples x inputs x units",
        "product",
        "form",
        "us",
        "GFLOP/s",
        "to naive",
    ]);
    let mut all = vec![gemm::Sizes { rows: 128, inputs: 784, units: 128 }];
    // Too large for what computes on the CPU.
    if !gpu.is_software() {
        all.push(gemm::Sizes { rows: 4096, inputs: 4096, units: 4096 });
    }
    for sizes in all {
        let (adapter, rates) = gemm::measure(&sizes);
        for gemm::Rate { product, form, seconds, to_naive } in rates {
            let gemm::Sizes { rows, inputs, units } = sizes;
            let (microseconds, rate) = (seconds * 1e6, sizes.flops() / seconds / 1e9);
            page.line(format!(
                "| {} | {rows} x {inputs} x {units} | {product} | {form} | {microseconds:.1} | {rate:.1} | {to_naive:.1} |", adapter.name
            ));
        }
    }
}

/// Where cargo puts what it builds: above the folder of this program's `deps`.
fn target_directory() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    let target = program.ancestors().nth(3).filter(|path| path.is_dir());
    target.unwrap_or(Path::new(".")).to_owned()
}

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().collect();
    let after = |flag: &str| {
        let place = arguments.iter().position(|argument| argument == flag)?;
        arguments.get(place + 1)
    };
    let out =
        after("--out").map_or_else(|| target_directory().join("minibatch-bench.md"), PathBuf::from);
    let gpu = Gpu::new()?;
    let data = random_data()?;
    let mut page = Page::default();
    describe(&mut page, &gpu);
    let right = check(&mut page, &gpu)?;
    steps(&mut page, &gpu, &data)?;
    kernels(&mut page, &data)?;
    products(&mut page, &gpu);
    let _ = writeln!(page.text, "\nLoad average at the end: {}.", load());
    std::fs::write(&out, &page.text).unwrap_or_else(|error| panic!("{}: {error}", out.display()));
    println!("\nwritten to {}", out.display());
    Ok(if right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
