//! Measures training.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, ensure};
use minibatch::data::{Dataset, Features, StoredArrays, read_idx_dir};
use minibatch::random::{Random, Stream};
use minibatch::training::{Callback, Control, EpochStart, Scores, StepEnd};
use minibatch::{Adam, Fit, Loss, Metric, Model};
use serde::Serialize;

use crate::{args, backend, network, print};

/// So many samples that they do not stay in a core's own cache.
const FEWEST_SAMPLES: usize = 8192;
/// Beyond these, epochs repeat: memory should show the engine, not the data.
const MOST_SAMPLES: usize = 1 << 16;
/// Refused above: memory that runs out ends a program without a message.
const MOST_BYTES: usize = 1 << 30;

#[derive(Serialize)]
struct Report {
    adapter: String,
    backend: &'static str,
    layers: Vec<usize>,
    batch_size: usize,
    precision: minibatch::Precision,
    steps: u32,
    seconds: f64,
    steps_per_second: f64,
    samples_per_second: f64,
    /// Those that gather the rows of a step included; 0 on the CPU, as are the submits.
    dispatches_per_step: usize,
    submits_per_step: f64,
    /// Bytes of the model's buffers on the device and of the memory that batches are uploaded through;
    /// `None` on the CPU.
    device_bytes: Option<u64>,
    /// From the program's start until the device had done the first step.
    first_step_ms: f64,
    /// `None` where the system does not tell.
    peak_rss_mib: Option<f64>,
}

/// # Errors
/// If the backend or the data cannot be had, or the layers do not fit the data or the device.
pub(crate) fn run(args: &args::Bench, start: Instant) -> anyhow::Result<ExitCode> {
    let total = u64::from(args.warmup) + u64::from(args.steps);
    // The data are read while the device is made and its kernels are compiled.
    let (prepared, data) = std::thread::scope(|scope| {
        let data = scope.spawn(|| data(args, total));
        let prepared = prepared(args, total);
        (prepared, data.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    let (Prepared { backend, mut model }, data) = (prepared?, data?);
    let steps_per_epoch = whole_batches(data.len(), args.batch_size)?;
    let epochs = u32::try_from(total.div_ceil(steps_per_epoch as u64)).context("too many steps")?;
    let (warmup, steps) = (args.warmup.into(), args.steps.into());
    let mut watch = Stopwatch { warmup, steps, ..Stopwatch::default() };
    let mut fit = Fit::new()
        .batch_size(args.batch_size)
        .epochs(epochs)
        .steps_per_epoch(steps_per_epoch)
        .callback(&mut watch);
    if let Some(steps) = args.steps_per_submit {
        fit = fit.steps_per_submit(steps);
    }
    model.fit(&data, fit)?;

    let (first, begun, ended) =
        watch.times().context("no step was measured; this should not happen")?;
    let seconds = ended.duration_since(begun).as_secs_f64().max(1e-9);
    let steps_per_second = f64::from(args.steps) / seconds;
    // All steps are alike.
    let dispatches = model.gpu().map_or(0.0, |gpu| gpu.dispatched() as f64 / total as f64);
    let memory = model.memory();
    let device_bytes = model.gpu().is_some().then(|| memory.total() - memory.data);
    let report = Report {
        adapter: backend.adapter(),
        backend: backend.name(),
        layers: args.layers.clone(),
        batch_size: args.batch_size,
        precision: args.precision.into(),
        steps: args.steps,
        seconds,
        steps_per_second,
        samples_per_second: steps_per_second * args.batch_size as f64,
        dispatches_per_step: dispatches.round() as usize,
        submits_per_step: watch.submits() as f64 / f64::from(args.steps.max(1)),
        device_bytes,
        first_step_ms: first.duration_since(start).as_secs_f64() * 1e3,
        peak_rss_mib: peak_rss_mib(),
    };
    if args.json {
        print::json(&report)?;
    } else {
        print::line(&backend.describe())?;
        report.print()?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The backend, and a model on it that is ready for its first step.
struct Prepared {
    backend: backend::Chosen,
    model: Model,
}

fn prepared(args: &args::Bench, total: u64) -> anyhow::Result<Prepared> {
    let backend = backend::choose(&args.backend)?;
    let [inputs, hidden @ .., classes] = args.layers.as_slice() else {
        anyhow::bail!("--layers needs at least two sizes: inputs and classes");
    };
    let (samples, sample_shape) = match &args.data {
        Some(directory) => outline(directory).context("--data")?,
        None => (random_samples(args.batch_size, total), vec![*inputs]),
    };
    let width: usize = sample_shape.iter().product();
    ensure!(width == *inputs, "--layers begins with {inputs}, but a sample has {width} values",);
    whole_batches(samples, args.batch_size)?;
    let mut model = network::build(&sample_shape, hidden, 0.0, *classes)?
        .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
        .precision(args.precision.into())
        .build(backend.backend.clone())?;
    model.prepare_fit(args.batch_size)?;
    Ok(Prepared { backend, model })
}

/// The steps of an epoch: whole batches only, so that all steps are alike.
fn whole_batches(samples: usize, batch_size: usize) -> anyhow::Result<usize> {
    let batches = samples.checked_div(batch_size).unwrap_or_default();
    ensure!(batches > 0, "--batch-size is {batch_size}, but there are only {samples} samples");
    Ok(batches)
}

/// Number and shape of the training samples in a directory of IDX files, from their headers.
fn outline(directory: &Path) -> minibatch::Result<(usize, Vec<usize>)> {
    let (train, _) = StoredArrays::idx_dir(directory)?;
    let images = train.fields().inputs().first();
    Ok((train.len(), images.map(|images| images.shape.clone()).unwrap_or_default()))
}

fn data(args: &args::Bench, total: u64) -> anyhow::Result<Dataset> {
    match (&args.data, args.layers.as_slice()) {
        (Some(directory), _) => Ok(read_idx_dir(directory).context("--data")?.train),
        (None, &[inputs, .., classes]) => random(inputs, classes, args.batch_size, total),
        (None, _) => anyhow::bail!("--layers needs at least two sizes: inputs and classes"),
    }
}

impl Report {
    fn print(&self) -> anyhow::Result<()> {
        let layers: Vec<String> = self.layers.iter().map(usize::to_string).collect();
        let memory = self.peak_rss_mib.map_or("unknown".into(), |mib| format!("{mib:.0} MiB"));
        let lines = [
            ("network", format!("{}, batches of {}", layers.join("-"), self.batch_size)),
            ("measured", format!("{} steps in {:.3} s", self.steps, self.seconds)),
            (
                "speed",
                format!(
                    "{:.1} steps/s, {:.0} samples/s",
                    self.steps_per_second, self.samples_per_second
                ),
            ),
            ("first step", format!("{:.0} ms after the program's start", self.first_step_ms)),
            ("peak memory", memory),
        ];
        for (name, value) in lines {
            print::line(&format!("{name:<12} {value}"))?;
        }
        if self.dispatches_per_step > 0 {
            let (dispatches, submits) = (self.dispatches_per_step, self.submits_per_step);
            let name = "a step";
            print::line(&format!("{name:<12} {dispatches} dispatches, {submits:.2} submits"))?;
        }
        if let Some(bytes) = self.device_bytes {
            let (name, mib) = ("on the GPU", bytes as f64 / f64::from(1 << 20));
            print::line(&format!(
                "{name:<12} {mib:.2} MiB of buffers, the data set not among them"
            ))?;
        }
        Ok(())
    }
}

fn random_samples(batch_size: usize, steps: u64) -> usize {
    let wanted = usize::try_from(steps).unwrap_or(usize::MAX).saturating_mul(batch_size);
    wanted.clamp(FEWEST_SAMPLES, MOST_SAMPLES).max(batch_size.saturating_mul(4))
}

/// Random pixels and labels, always the same.
fn random(inputs: usize, classes: usize, batch_size: usize, steps: u64) -> anyhow::Result<Dataset> {
    let samples = random_samples(batch_size, steps);
    let bytes = samples.checked_mul(inputs).filter(|&bytes| bytes <= MOST_BYTES);
    let bytes = bytes.with_context(|| {
        format!("{samples} samples of {inputs} bytes are more than bench's limit of 1 GiB")
    })?;
    let mut random = Random::new(0, Stream::Shuffle(0));
    let mut pixels = Vec::with_capacity(bytes.next_multiple_of(8));
    while pixels.len() < bytes {
        pixels.extend_from_slice(&random.next_u64().to_le_bytes());
    }
    pixels.truncate(bytes);
    let labels: Vec<u32> = (0..samples).map(|_| random.below(classes as u64) as u32).collect();
    Ok(Dataset::new(Features::U8(Arc::new(pixels)), &[inputs], labels)?)
}

/// Notes when steps were done. Asking for the scores makes fit wait for the device.
#[derive(Default)]
struct Stopwatch {
    warmup: u64,
    steps: u64,
    done: u64,
    first: Option<Instant>,
    begun: Option<Instant>,
    ended: Option<Instant>,
    /// Submissions made before and after what is measured.
    submits: [u64; 2],
}

impl Stopwatch {
    fn last(&self) -> u64 {
        self.warmup + self.steps
    }

    /// Submissions of the steps that are measured.
    fn submits(&self) -> u64 {
        let [before, after] = self.submits;
        after.saturating_sub(before)
    }

    fn times(&self) -> Option<(Instant, Instant, Instant)> {
        Some((self.first?, self.begun?, self.ended?))
    }
}

impl Callback for Stopwatch {
    fn epoch_begin(&mut self, run: &mut dyn Control, _epoch: EpochStart) -> minibatch::Result<()> {
        if self.warmup == 0 && self.done == 0 {
            self.begun.get_or_insert_with(Instant::now);
            self.submits[0] = run.submits();
        }
        Ok(())
    }

    fn wants_scores(&mut self, _step: StepEnd) -> bool {
        self.done += 1;
        [1, self.warmup, self.last()].contains(&self.done)
    }

    fn scores(&mut self, _step: StepEnd, _scores: &Scores) {
        let now = Instant::now();
        self.first.get_or_insert(now);
        if self.done == self.warmup {
            self.begun = Some(now);
        }
        if self.done == self.last() {
            self.ended = Some(now);
        }
    }

    fn batch_end(&mut self, run: &mut dyn Control, _step: StepEnd) -> minibatch::Result<()> {
        // The scores of this step were read, so nothing waits to be submitted.
        if self.done == self.warmup {
            self.submits[0] = run.submits();
        }
        if self.done == self.last() {
            self.submits[1] = run.submits();
            run.stop();
        }
        Ok(())
    }
}

/// The most memory that this process has held, in MiB: Linux' `VmHWM`.
fn peak_rss_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}
