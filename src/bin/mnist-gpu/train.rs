//! Trains, tests, saves.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use minibatch::callbacks::Plot;
use minibatch::data::{Shuffle, Source as Samples};
use minibatch::{
    Adagrad, Adam, Evaluate, Fit, History, Loss, Metric, Optimizer, Profile, RmsProp, Sequential,
    Sgd,
};

use crate::checkpoint::{self, Checkpoint};
use crate::history::{Format, Run};
use crate::interrupt::{self, Interrupt};
use crate::network::Output;
use crate::processes::Processes;
use crate::progress::{self, Progress, duration, in_words};
use crate::source::Source;
use crate::table::{self, Table};
use crate::{args, backend, network, print, source};

/// How far `--augment shift` moves images, in pixels.
const SHIFT: usize = 2;

/// # Errors
/// If an argument, a file or the data does not fit, before training; if the device fails or the
/// loss stops being a number; if a result cannot be written.
pub(crate) fn run(args: &args::Train) -> anyhow::Result<ExitCode> {
    let processes = Processes::meet(args.sharing.distributed)?;
    let ended = train(args, &processes);
    processes.end(ended)
}

fn train(args: &args::Train, processes: &Processes) -> anyhow::Result<ExitCode> {
    let start = Instant::now();
    let process = processes.process();
    // The first process writes and speaks for all.
    let written = |path: &Option<PathBuf>| path.clone().filter(|_| process.is_first());
    let verbosity = match process.is_first() {
        true => args.verbose.unwrap_or_else(progress::default_verbosity),
        false => 0,
    };
    let say = |text: &str| if verbosity > 0 { print::line(text) } else { Ok(()) };
    if process.is_first() {
        check_targets(args)?;
    }
    let profile = written(&args.profile).map(|_| Profile::new());
    let backend = match profile {
        Some(_) => backend::choose_for_profile(&args.backend, processes)?,
        None => backend::choose_beside(&args.backend, processes)?,
    };
    let checkpoint = args.checkpoint.as_deref();
    let mut checkpoint = checkpoint
        .map(|directory| Checkpoint::open(directory, args.checkpoint_every, args.resume, process))
        .transpose()?;
    // One of them may download the data, which the others find in the cache then.
    let task = processes.one_first(|| Task::of(args, verbosity > 0))?;
    let Task { source, network, loss, metric, table } = task;
    let (train, validation) = training_data(args, &source)?;
    let sizes = network::sizes(&network.input, &network.layers);
    let parameters = network::parameters(&network).unwrap_or_default();
    let optimizer = optimizer(args.optimizer, args.learning_rate);
    let compiled = network.compile(optimizer, loss, [metric]).seed(args.data.seed);
    let mut compiled = compiled.precision(args.precision.into());
    compiled.micro_batch_size = args.micro_batch;
    compiled.shards = args.sharing.shards();
    let mut model = compiled.build(backend.backend.clone())?;
    if let Some(table) = &table {
        table.note_in(&mut model)?;
    }
    say(&source.note)?;
    if let Some(table) = &table {
        say(&table.columns)?;
    }
    say(&backend.describe())?;
    if let Some(processes) = processes.describe() {
        say(&processes)?;
    }
    let dropout = match args.dropout {
        0.0 => String::new(),
        rate => format!(", dropout {rate}"),
    };
    say(&format!("network: {sizes}, {parameters} parameters{dropout}"))?;
    if let Some(checkpoint) = &mut checkpoint {
        let rate = optimizer.learning_rate();
        let settings = checkpoint::settings(args, &source.train, source.buffer, &sizes, rate)?;
        checkpoint.check(&settings, &backend.adapter(), args.epochs, say)?;
    }

    if let Some(profile) = &profile {
        model.set_profile(profile)?;
    }

    let mut plot = args.plot.as_ref().map(Plot::new);
    let mut progress = Progress::new(args.verbose);
    // The processes of a distributed run could not agree on the step after which it ends: there,
    // Ctrl-C ends a process at once, and the launcher the others.
    let mut interrupt = match args.sharing.distributed {
        None => Some(Interrupt::watch(verbosity > 0, progress.bar())?),
        Some(_) => None,
    };
    // A stream's samples come in the order that its buffer gives them.
    let in_order = args.no_shuffle || source.buffer.is_some();
    let shuffle = if in_order { Shuffle::Off } else { Shuffle::Full };
    let mut fit = Fit::new()
        .batch_size(args.batch_size)
        .epochs(args.epochs)
        .shuffle(shuffle)
        .callback(&mut progress);
    if let Some(interrupt) = &mut interrupt {
        fit = fit.callback(interrupt);
    }
    if let Some(validation) = validation {
        fit = fit.validation_data(validation);
    }
    if let Some(steps) = args.steps_per_epoch {
        fit = fit.steps_per_epoch(steps);
    }
    if let Some(steps) = args.steps_per_submit {
        fit = fit.steps_per_submit(steps);
    }
    let args::Loading { workers, queue } = args.loading;
    if let Some(workers) = workers {
        fit = fit.workers(workers);
    }
    if let Some(queue) = queue {
        fit = fit.max_queue_size(queue);
    }
    if let Some(plot) = &mut plot {
        fit = fit.callback(plot);
    }
    if let Some(checkpoint) = &mut checkpoint {
        // The last one, so that it keeps what the others did.
        fit = fit.callback(checkpoint.callback());
    }
    let mut history = model.fit(&train, processes.share_fit(fit))?;
    let exchanged = exchanged(&history);
    if let Some(checkpoint) = &checkpoint {
        history.epochs.splice(0..0, checkpoint.history().iter().cloned());
    }

    let stopped = history.stopped;
    let tested = if stopped {
        Ok(None)
    } else {
        let evaluation = evaluation(args.batch_size, &args.loading);
        model.evaluate(&source.test, processes.share_evaluation(evaluation)).map(Some)
    };
    // The last step's own loss does not show what it did to the weights.
    if let Ok(Some(scores)) = &tested {
        ensure!(
            scores.loss.is_finite(),
            "the test loss is non-finite after the last step, nothing is saved; lower the \
             learning rate"
        );
    }
    // Each result is kept even if another one cannot be: the first failure is told at the end.
    let saved = written(&args.save).map_or(Ok(()), |path| model.save(&path));
    let run = Run {
        history,
        test: tested.as_ref().ok().cloned().flatten(),
        adapter: backend.adapter(),
        backend: backend.name(),
        seed: args.data.seed,
        batch_size: args.batch_size,
        steps_per_epoch: progress.steps_per_epoch(),
    };
    let recorded = written(&args.history).map_or(Ok(()), |path| run.write(&path));
    let profiled = match (&profile, written(&args.profile)) {
        (Some(profile), Some(path)) => profile.write(&path),
        _ => Ok(()),
    };
    saved?;
    recorded?;
    profiled?;
    // What Ctrl-C broke off can still go on.
    let removed = match checkpoint {
        Some(checkpoint) if args.save.is_some() && !stopped => checkpoint.remove(),
        _ => Ok(()),
    };
    let time = duration(start.elapsed().as_secs_f64());
    match tested? {
        Some(scores) => say(&format!("test: {} - {time} in all", in_words("", &scores)))?,
        None => say(&format!("stopped by Ctrl-C after {time}; not tested"))?,
    }
    if let Some(exchanged) = exchanged {
        say(&exchanged)?;
    }
    let results = [
        ("model", &args.save),
        ("history", &args.history),
        ("plot", &args.plot),
        ("profile", &args.profile),
    ];
    for (what, path) in results {
        if let Some(path) = path {
            say(&format!("{what} saved to {}", path.display()))?;
        }
    }
    removed?;
    if let Some(path) = args.checkpoint.as_deref().filter(|_| stopped || args.save.is_none()) {
        say(&format!("checkpoint kept in {}; --resume goes on from it", path.display()))?;
    }
    Ok(if stopped { ExitCode::from(interrupt::EXIT_CODE) } else { ExitCode::SUCCESS })
}

/// What the processes have exchanged in the steps of this run, in one line; `None` if there were none
/// to do it with.
fn exchanged(history: &History) -> Option<String> {
    let exchange = history.exchange.filter(|exchange| exchange.processes > 1)?;
    let bytes = exchange.bytes_sent as f64 / exchange.steps.max(1) as f64;
    let gradients = exchange.gradient_bytes;
    let seconds: f64 = history.epochs.iter().map(|epoch| epoch.seconds).sum();
    let waited = history.epochs.iter().map(|epoch| epoch.seconds * epoch.waits.for_exchange);
    let share = 100.0 * waited.sum::<f64>() / seconds.max(1e-9);
    Some(format!(
        "exchange: {bytes:.0} bytes sent a step by this process, {:.2} times the gradient's \
         {gradients}; {share:.0}% of the time waiting for it",
        bytes / gradients.max(1) as f64
    ))
}

/// What is to be learned, and by which network.
struct Task {
    source: Source,
    network: Sequential,
    loss: Loss,
    metric: Metric,
    /// `None` for images.
    table: Option<Table>,
}

impl Task {
    fn of(args: &args::Train, show_progress: bool) -> anyhow::Result<Self> {
        if let Some(path) = table::path(&args.data) {
            let (table, source) = table::open(path, args)?;
            let (standardize, output) = (table.standardize.clone(), table.output);
            let network =
                network::build_for_table(standardize, &args.hidden, args.dropout, output)?;
            let (loss, metric) = match output {
                Output::Classes(_) => (Loss::SparseCategoricalCrossentropy, Metric::Accuracy),
                Output::Value { .. } => (Loss::MeanSquaredError, Metric::MeanAbsoluteError),
            };
            return Ok(Task { source, network, loss, metric, table: Some(table) });
        }
        if let Some(target) = &args.table.target {
            bail!(
                "--target {target}: is a column of a table, and --data names none; give FILE.csv"
            );
        }
        let source = source::choose(&args.data, &args.reading, show_progress)?;
        let classes = source::classes(&source.train).max(source::classes(&source.test));
        let shape = source::sample_shape(&source.train);
        let network = network::build(&shape, &args.hidden, args.dropout, classes)?;
        let (loss, metric) = (Loss::SparseCategoricalCrossentropy, Metric::Accuracy);
        Ok(Task { source, network, loss, metric, table: None })
    }
}

/// What is trained on, and what is held out of it for validation.
fn training_data(
    args: &args::Train,
    source: &Source,
) -> anyhow::Result<(Samples, Option<Samples>)> {
    let mut train = source.train.clone();
    let mut validation = None;
    if args.validation_split > 0.0 {
        ensure!(
            source.buffer.is_none(),
            "--validation-split {}: the last samples cannot be held out of a stream; {}, or leave \
             out --validation-split",
            args.validation_split,
            if args.reading.stream { "leave out --stream" } else { "unpack the .gz files" }
        );
        let (first, last) = train.split_last(args.validation_split)?;
        (train, validation) = (first, Some(last));
    }
    if let Some(samples) = source.buffer {
        train = train.shuffle_buffer(samples)?;
        if args.steps_per_epoch.is_some() {
            // An epoch may begin near the end of the files, and goes on at their beginning.
            train = train.repeat_forever();
        }
    }
    match args.augment {
        Some(args::Augment::Shift) => train = train.shift_images(SHIFT)?,
        None => {}
    }
    Ok((train, validation))
}

/// How a model is evaluated.
pub(crate) fn evaluation(batch_size: usize, loading: &args::Loading) -> Evaluate<'static> {
    let mut evaluate = Evaluate::new().batch_size(batch_size);
    if let Some(workers) = loading.workers {
        evaluate = evaluate.workers(workers);
    }
    if let Some(queue) = loading.queue {
        evaluate = evaluate.max_queue_size(queue);
    }
    evaluate
}

/// By Keras' names and with its settings; the rate is Keras' too if none is given.
pub(crate) fn optimizer(name: args::Optimizer, learning_rate: Option<f64>) -> Optimizer {
    let mut optimizer: Optimizer = match name {
        args::Optimizer::Adam => Adam::default().into(),
        args::Optimizer::Adamw => Adam::adamw().into(),
        args::Optimizer::Sgd => Sgd::default().into(),
        args::Optimizer::Rmsprop => RmsProp::default().into(),
        args::Optimizer::Adagrad => Adagrad::default().into(),
    };
    if let Some(learning_rate) = learning_rate {
        optimizer.set_learning_rate(learning_rate);
    }
    optimizer
}

/// Finds out before training what would make its results unsavable after it.
fn check_targets(args: &args::Train) -> anyhow::Result<()> {
    if let Some(path) = &args.history {
        Format::of(path).with_context(|| format!("--history {}", path.display()))?;
    }
    if let Some(path) = &args.plot {
        check_plot(path).with_context(|| format!("--plot {}", path.display()))?;
    }
    let targets = [
        ("--save", &args.save),
        ("--history", &args.history),
        ("--plot", &args.plot),
        ("--profile", &args.profile),
    ];
    let given = targets.into_iter().filter_map(|(flag, path)| Some((flag, path.as_deref()?)));
    let mut seen: Vec<(&str, PathBuf)> = Vec::new();
    for (flag, path) in given {
        if let Some(directory) = &args.checkpoint {
            checkpoint::check_not_ours(directory, path)
                .with_context(|| format!("{flag} {}", path.display()))?;
        }
        check_target(path).with_context(|| format!("{flag} {}", path.display()))?;
        let location = location(path);
        if let Some((other, _)) = seen.iter().find(|(_, seen)| *seen == location) {
            bail!("{other} and {flag} name the same file, {}", path.display());
        }
        seen.push((flag, location));
    }
    Ok(())
}

/// What [`Plot`] can draw to.
fn check_plot(path: &Path) -> anyhow::Result<()> {
    let extension = path.extension().map(OsStr::to_ascii_lowercase);
    match extension.as_ref().and_then(|extension| extension.to_str()) {
        Some("svg" | "html") => Ok(()),
        _ => bail!("give a file name that ends in .svg or .html"),
    }
}

/// The same for each spelling of a path, whether or not there is a file.
fn location(path: &Path) -> PathBuf {
    let directory = directory_of(path);
    let directory = directory.canonicalize().unwrap_or_else(|_| directory.into());
    path.file_name().map_or_else(|| path.into(), |name| directory.join(name))
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Finds out whether a file could be written there.
///
/// # Errors
/// If not: what stands in the way.
pub(crate) fn check_target(path: &Path) -> anyhow::Result<()> {
    if path.is_dir() || path.file_name().is_none() {
        bail!("is a directory; give a file name");
    }
    if let Ok(existing) = path.metadata() {
        // It would be replaced, not written to: as root, even /dev/null.
        ensure!(existing.is_file(), "is no ordinary file; give a file name");
        ensure!(!existing.permissions().readonly(), "is read-only");
    }
    let parent = directory_of(path);
    ensure!(parent.is_dir(), "the directory {} does not exist", parent.display());
    // It has no name where the system allows that, and is gone at once.
    tempfile::tempfile_in(parent)
        .map(drop)
        .with_context(|| format!("cannot write to the directory {}", parent.display()))
}
