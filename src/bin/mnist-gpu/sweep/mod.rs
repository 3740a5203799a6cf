//! Trains with one batch size after the other, and compares.

mod figure;
mod plan;
mod probe;
mod report;
mod sharpness;
mod suggestion;
mod watch;

use std::process::ExitCode;

use anyhow::{Context, ensure};
use indicatif::ProgressBar;
use minibatch::callbacks::GradientNoiseScale;
use minibatch::data::{Dataset, Shuffle};
use minibatch::{Error, Evaluate, Fit, History, Loss, Metric, Model, Scores, atomic_write};

use crate::interrupt::{self, Interrupt};
use crate::train::{check_target, optimizer};
use crate::{args, backend, network, print, progress, source};
use plan::{Plan, RunPlan};
use probe::Probe;
use report::{Ended, Report, Row};
use watch::Watch;

/// Samples a step of an evaluation, whatever the batch size of the run.
const EVALUATED_AT_ONCE: usize = 1000;

/// How often a run measures the gradient's noise.
const NOISE_MEASUREMENTS: u64 = 20;

/// # Errors
/// If an argument, a file or the data does not fit, before training; if the device fails; if a
/// result cannot be written. A run whose loss stops being a number is none: its row says so.
pub(crate) fn run(args: &args::Sweep) -> anyhow::Result<ExitCode> {
    let verbosity = args.train.verbose.unwrap_or_else(progress::default_verbosity);
    let say = |text: &str| if verbosity > 0 { print::line(text) } else { Ok(()) };
    if let Some(path) = &args.figure {
        crate::figure::check(path)?;
    }
    if let Some(path) = &args.json {
        check_target(path).with_context(|| format!("--json {}", path.display()))?;
        let same = args.figure.as_ref() == Some(path);
        ensure!(!same, "--json and --figure name the same file, {}", path.display());
    }
    let backend = backend::choose(&args.train.backend)?;
    let source = source::choose(&args.train.data, &args.train.reading, verbosity > 0)?;
    let datasets = source.in_memory.context(
        "sweep keeps the data in memory, and a set of these files is larger than 256 MiB",
    )?;
    let split = args.train.validation_split;
    let (train, held_out) = match split > 0.0 {
        true => datasets.train.split_last(split)?,
        false => (datasets.train, datasets.test.clone()),
    };
    let data = Data { train, held_out, test: datasets.test };
    let plan = Plan::new(args, data.train.len())?;
    let mut trainer = Trainer {
        args,
        backend: backend.backend.clone(),
        data,
        interrupt: Interrupt::watch(verbosity > 0, ProgressBar::hidden())?,
        probe: None,
    };
    trainer.check_room(&plan)?;
    say(&source.note)?;
    say(&backend.describe())?;
    say(&trainer.describe()?)?;
    say(&plan.describe())?;
    say(&report::heading())?;

    let mut rows: Vec<Row> = Vec::new();
    let mut stopped = false;
    for run in &plan.runs {
        match trainer.train(run)? {
            Some(row) => {
                say(&row.line())?;
                rows.push(row);
            }
            None => {
                stopped = true;
                say("stopped by Ctrl-C; this run does not count")?;
                break;
            }
        }
    }
    let scale = suggestion::typical(rows.iter().filter_map(|row| row.noise.scale()));
    let suggestion =
        suggestion::suggest(scale, trainer.data.train.len(), |size| trainer.fits(size))?;
    say(&suggestion.line())?;
    let report = Report {
        runs: rows,
        gradient_noise_scale: scale,
        suggested_batch_size: suggestion.batch_size,
        reason: suggestion.reason,
        equal: plan.equal(),
        linear_scaling: args.linear_scaling,
        training_samples: trainer.data.train.len(),
        adapter: backend.adapter(),
        backend: backend.name(),
        seed: args.train.data.seed,
    };
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&report)? + "\n";
        atomic_write(path, text.as_bytes())?;
        say(&format!("measurements saved to {}", path.display()))?;
    }
    if let Some(path) = &args.figure {
        crate::figure::write(path, &figure::figure(&report))?;
        say(&format!("figure saved to {}", path.display()))?;
    }
    Ok(if stopped { ExitCode::from(interrupt::EXIT_CODE) } else { ExitCode::SUCCESS })
}

struct Data {
    train: Dataset,
    /// What each epoch is validated on: the test data, or what --validation-split holds out.
    held_out: Dataset,
    test: Dataset,
}

/// Trains one run after the other.
struct Trainer<'a> {
    args: &'a args::Sweep,
    backend: minibatch::Backend,
    data: Data,
    interrupt: Interrupt,
    /// The model of the first run that ended well, for what all batch sizes are measured on.
    probe: Option<Probe>,
}

impl Trainer<'_> {
    fn network(&self) -> anyhow::Result<minibatch::Sequential> {
        let Data { train, test, .. } = &self.data;
        let classes = train.classes().max(test.classes());
        let args::Train { hidden, dropout, .. } = &self.args.train;
        network::build(train.sample_shape(), hidden, *dropout, classes)
    }

    fn describe(&self) -> anyhow::Result<String> {
        let network = self.network()?;
        let sizes = network::sizes(&network.input, &network.layers);
        let parameters = network::parameters(&network).unwrap_or_default();
        let dropout = match self.args.train.dropout {
            0.0 => String::new(),
            rate => format!(", dropout {rate}"),
        };
        Ok(format!("network: {sizes}, {parameters} parameters{dropout}"))
    }

    /// With the rate that was asked for, unless another one is given.
    fn model(&self, learning_rate: Option<f64>) -> anyhow::Result<Model> {
        let (loss, metrics) = (Loss::SparseCategoricalCrossentropy, [Metric::Accuracy]);
        let args = &self.args.train;
        let optimizer = optimizer(args.optimizer, learning_rate.or(args.learning_rate));
        let compiled = self.network()?.compile(optimizer, loss, metrics);
        let compiled = compiled.seed(args.data.seed).precision(args.precision.into());
        Ok(compiled.build(self.backend.clone())?)
    }

    /// Finds out before training whether the largest batch has room.
    fn check_room(&self, plan: &Plan) -> anyhow::Result<()> {
        let largest = plan.runs.iter().map(|run| run.batch_size).max().unwrap_or(1);
        let mut model = self.model(None)?;
        match prepared(&mut model, largest) {
            Err(error @ Error::Argument { .. }) => {
                Err(error).with_context(|| format!("--batch-sizes: {largest}"))
            }
            result => Ok(result?),
        }
    }

    /// Whether the device has room for batches of so many samples.
    fn fits(&self, batch_size: usize) -> anyhow::Result<bool> {
        let mut model = self.model(None)?;
        match prepared(&mut model, batch_size) {
            Err(Error::Argument { .. }) => Ok(false),
            result => Ok(result.map(|()| true)?),
        }
    }

    /// One run; `None` if Ctrl-C ended it.
    fn train(&mut self, run: &RunPlan) -> anyhow::Result<Option<Row>> {
        let mut model = self.model(Some(run.learning_rate))?;
        let device_bytes = model.memory_for(run.batch_size)?.total();
        let every = (run.steps / NOISE_MEASUREMENTS).max(1);
        let mut watch = Watch::new(run, every);
        let mut noise = GradientNoiseScale::new(&self.data.train).every(every);
        if self.data.train.len() < 2 {
            // Nothing can be told from one sample; the interval is never reached.
            noise = GradientNoiseScale::new(&self.data.test).every(u64::MAX);
        }
        let shuffle = if self.args.train.no_shuffle { Shuffle::Off } else { Shuffle::Full };
        let fit = Fit::new()
            .batch_size(run.batch_size)
            .epochs(run.epochs)
            .shuffle(shuffle)
            .validation_data(&self.data.held_out)
            .validation_batch_size(EVALUATED_AT_ONCE)
            .callback(&mut watch)
            .callback(&mut noise)
            .callback(&mut self.interrupt);
        let ended = match model.fit(&self.data.train, fit) {
            Ok(_) if !watch.is_complete() => return Ok(None),
            Ok(_) => self.ended(&mut model, run)?,
            // What a learning rate that is too large does is a result too.
            Err(Error::NonFinite { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        if ended.is_some() && self.probe.is_none() {
            self.probe = Some(Probe::new(model, &self.data.train)?);
        }
        let (probe, samples) = (self.probe.as_mut(), self.data.train.len());
        let gradient = probe.map(|probe| probe.uncertainty(&self.data.train, run.batch_size));
        let gradient = gradient.transpose()?.filter(|_| samples > 1);
        Ok(Some(Row {
            batch_size: run.batch_size,
            learning_rate: run.learning_rate,
            steps: watch.steps(),
            steps_per_epoch: run.steps_per_epoch,
            step_seconds: watch.step_seconds(),
            samples_per_second: watch.samples_per_second(),
            device_bytes,
            ended,
            gradient,
            noise: noise.mean(),
            epochs: watch.epochs_seen(),
            history: History::new(watch.into_records()),
        }))
    }

    /// What the weights at the end of a run are worth; `None` if they are not finite.
    fn ended(&self, model: &mut Model, run: &RunPlan) -> anyhow::Result<Option<Ended>> {
        let training = evaluated(model, &self.data.train)?;
        let test = evaluated(model, &self.data.test)?;
        if !(training.loss.is_finite() && test.loss.is_finite()) {
            return Ok(None);
        }
        let sharpness = sharpness::sharpness(model, &self.data.train, self.args.train.data.seed)
            .with_context(|| format!("the sharpness at batch size {}", run.batch_size))?;
        Ok(Some(Ended { training, test, sharpness }))
    }
}

/// Makes room for batches of so many samples, on a device with limits.
fn prepared(model: &mut Model, batch_size: usize) -> minibatch::Result<()> {
    match model.gpu() {
        Some(_) => minibatch::gpu::block_on(model.prepare_steps(batch_size)),
        None => Ok(()),
    }
}

/// The scores on samples, in batches of a size that has no part in the comparison.
fn evaluated(model: &mut Model, data: &Dataset) -> minibatch::Result<Scores> {
    model.evaluate(data, Evaluate::new().batch_size(EVALUATED_AT_ONCE))
}
