//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use minibatch::Compiled;
use minibatch::callbacks::Frequency;
use minibatch::gpu::KernelForm;

use crate::{FAILED, print, quantity};

/// Train a network on MNIST, on any GPU that wgpu reaches or on the CPU.
///
/// Data like MNIST may be of any size: --data DIR says how they are read. --data FILE.csv learns a
/// column of a table from the others.
///
/// Without a command it trains, with the options below. The data come from --data, else from the
/// directory MNIST_DIR, else from the cache, else they are downloaded into it, else synthetic
/// digits are drawn; one line says which.
///
/// Ends with code 0; 2 if anything fails; 1 if `verify` finds an operation out of its bounds; 130
/// if Ctrl-C ended the training. With --distributed, Ctrl-C and SIGTERM end it without saving, and the
/// code is the launcher's.
#[derive(Debug, Parser)]
#[command(name = "mnist-gpu", version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    train: Train,
}

#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "a program has one command")]
pub(crate) enum Command {
    /// Train, test, and save what was learned (what happens without a command)
    Train(Train),
    /// Train with one batch size after the other, and compare
    Sweep(Sweep),
    /// Loss and accuracy of a saved model on the test data
    Evaluate(Evaluate),
    /// What a saved model sees in PNG images, in the rows of a table, or in texts
    Predict(Predict),
    /// Compare runs by the files of their --history
    Show(Show),
    /// Probe an adapter for what drivers get wrong, and check every operation against the CPU in
    /// double precision; the other commands do without what fails
    Verify(Verify),
    /// Run one probe; what verify starts for each
    #[command(hide = true)]
    Probe(Probe),
    /// Measure training steps per second
    Bench(Bench),
    /// Print what a training step is on a GPU, and how long it should take there; needs no GPU
    Explain(Explain),
    /// Print what a step would cost on 1 to 1,024 processes, and where adding more stops paying
    Scale(Scale),
    /// List the adapters that wgpu finds
    Adapters(Adapters),
}

#[derive(Debug, Args)]
pub(crate) struct Train {
    #[command(flatten)]
    pub data: Data,
    #[command(flatten)]
    pub table: Table,
    #[command(flatten)]
    pub reading: Reading,
    #[command(flatten)]
    pub loading: Loading,
    #[command(flatten)]
    pub backend: Backend,
    #[command(flatten)]
    pub sharing: Sharing,
    /// Samples a step
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = at_least_one)]
    pub batch_size: usize,
    /// Run each batch in parts of so many rows, whose gradients add up to the whole batch's
    /// [default: the whole batch, or the fewest parts that fit the device]
    #[arg(
        long = "micro-batch", value_name = "ROWS", value_parser = at_least_one,
        conflicts_with_all = ["distributed", "shards"]
    )]
    pub micro_batch: Option<usize>,
    /// How numbers are stored, as Keras' dtype policies: mixed_float16 keeps what layers make and its
    /// gradients in f16, and scales the loss; a GPU needs shader-f16
    #[arg(long, value_name = "POLICY", value_enum, default_value_t = Precision::F32)]
    pub precision: Precision,
    /// Submit so many steps to the GPU together, where the data lie on it: the same bits [default: 50]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub steps_per_submit: Option<usize>,
    /// Change the training images anew in each epoch: shift moves each by up to 2 pixels
    #[arg(long, value_name = "HOW", value_enum)]
    pub augment: Option<Augment>,
    /// Passes over the training data
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = at_least_one_u32)]
    pub epochs: u32,
    /// Units of each hidden layer (ReLU), first to last: 128 or 128,64
    #[arg(
        long, value_name = "UNITS", default_value = "128", value_delimiter = ',',
        value_parser = at_least_one
    )]
    pub hidden: Vec<usize>,
    /// Share of each hidden layer's outputs that is dropped in training
    #[arg(
        long, value_name = "P", default_value_t = 0.0, value_parser = fraction,
        allow_negative_numbers = true
    )]
    pub dropout: f64,
    /// How gradients change the weights, by Keras' names and with its settings
    #[arg(long, value_name = "NAME", value_enum, default_value_t = Optimizer::Adam)]
    pub optimizer: Optimizer,
    /// Step size of the optimizer [default: Keras': 0.01 for sgd, 0.001 for the others]
    #[arg(
        long, value_name = "RATE", value_parser = learning_rate, allow_negative_numbers = true
    )]
    pub learning_rate: Option<f64>,
    /// Last fraction of the training data to hold out and evaluate on after each epoch
    #[arg(
        long, value_name = "FRACTION", default_value_t = 0.0, value_parser = fraction,
        allow_negative_numbers = true
    )]
    pub validation_split: f64,
    /// Take the samples in the order of the file in each epoch
    #[arg(long)]
    pub no_shuffle: bool,
    /// End each epoch after N steps [default: all samples]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub steps_per_epoch: Option<usize>,
    /// 0 silent, 1 a line an epoch and a progress bar on the terminal, 2 a line an epoch
    /// [default: 1 on a terminal, else 2]
    #[arg(long, value_name = "0|1|2", value_parser = clap::value_parser!(u8).range(0..=2))]
    pub verbose: Option<u8>,
    /// Save the model here; also what was learned until Ctrl-C
    #[arg(long, value_name = "FILE.safetensors")]
    pub save: Option<PathBuf>,
    /// Write each epoch's loss and accuracy here; .json also holds the test's
    #[arg(long, value_name = "FILE.json|FILE.csv")]
    pub history: Option<PathBuf>,
    /// Draw loss and accuracy here after each epoch; a page loads itself again
    #[arg(long, value_name = "FILE.svg|FILE.html")]
    pub plot: Option<PathBuf>,
    /// Write here what the run does when, as a trace for ui.perfetto.dev
    #[arg(long, value_name = "FILE.json")]
    pub profile: Option<PathBuf>,
    /// Keep the state of training in DIR, so that a run that broke can go on; removed once --save is
    /// written
    #[arg(long, value_name = "DIR")]
    pub checkpoint: Option<PathBuf>,
    /// Write it after so many steps (500) or so much time (30s) [default: each epoch]
    #[arg(
        long, value_name = "STEPS|TIME", value_parser = checkpoint_every, requires = "checkpoint"
    )]
    pub checkpoint_every: Option<Frequency>,
    /// Go on from what --checkpoint holds, with the same bits as if the run had never broken; from
    /// the beginning if it holds nothing
    #[arg(long, requires = "checkpoint")]
    pub resume: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Precision {
    F32,
    #[value(name = "mixed_float16")]
    MixedFloat16,
}

impl From<Precision> for minibatch::Precision {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::F32 => minibatch::Precision::Float32,
            Precision::MixedFloat16 => minibatch::Precision::MixedFloat16,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Optimizer {
    Adam,
    Adamw,
    Sgd,
    Rmsprop,
    Adagrad,
}

/// Train with one batch size after the other, and compare.
///
/// Each run begins with the same weights and prints a row when it ends: time, samples a second and
/// memory on the device; loss on the training data, accuracy there and on the test data and the
/// gap between them; sharpness, by how much of itself the loss grows when each weight changes by
/// about 1%; noise, how far the gradient of such a batch is off from that of all samples, relative
/// to it, at the weights that the first run ends with. From the gradient noise scale (McCandlish
/// and others, 2018) it suggests a batch size. It takes the options of `train` that say what is
/// trained, on what, and for how long.
#[derive(Debug, Args)]
#[command(mut_args(hidden_from_sweep))]
pub(crate) struct Sweep {
    /// Samples a step, for one run each; full is all training samples
    #[arg(
        long, value_name = "N,N,...|full", default_value = "32,64,128,256", value_delimiter = ',',
        value_parser = batch_size, help_heading = "Sweep"
    )]
    pub batch_sizes: Vec<BatchSize>,
    /// What the runs have equally many of: samples, as many as --epochs are, or steps, as many as
    /// the largest batches need for --epochs (or --epochs times --steps-per-epoch)
    #[arg(
        long, value_name = "WHAT", value_enum, default_value_t = Equal::Samples,
        help_heading = "Sweep"
    )]
    pub equal: Equal,
    /// Multiply the learning rate by batch size / 32 (Goyal and others, 2017)
    #[arg(long, help_heading = "Sweep")]
    pub linear_scaling: bool,
    /// Write all that was measured here
    #[arg(long, value_name = "FILE", help_heading = "Sweep")]
    pub json: Option<PathBuf>,
    /// Draw it here
    #[arg(long, value_name = "FILE.svg|FILE.png", help_heading = "Sweep")]
    pub figure: Option<PathBuf>,
    #[command(flatten)]
    pub train: Train,
}

/// Options of `train` that `sweep` has no use for, and what to do instead.
const NOT_FOR_SWEEP: [(&str, &str); 17] = [
    ("batch_size", "--batch-size is of train; give --batch-sizes 32,64"),
    ("save", "--save is of train: sweep keeps no model"),
    ("history", "--history is of train; give --json"),
    ("plot", "--plot is of train; give --figure"),
    ("profile", "--profile is of train: it slows down what sweep measures"),
    ("checkpoint", "--checkpoint is of train: a sweep begins anew"),
    ("checkpoint_every", "--checkpoint-every is of train: a sweep begins anew"),
    ("resume", "--resume is of train: a sweep begins anew"),
    ("target", "--target is of train: sweep compares runs on images"),
    ("test", "--test is of train: sweep compares runs on images"),
    ("stream", "--stream is of train: sweep keeps the data in memory"),
    ("shuffle_buffer", "--shuffle-buffer is of train: sweep keeps the data in memory"),
    ("workers", "--workers is of train: sweep keeps the data in memory"),
    ("queue", "--queue is of train: sweep keeps the data in memory"),
    ("distributed", "--distributed is of train: sweep runs in one process"),
    ("shards", "--shards is of train: sweep takes each batch as a whole"),
    ("augment", "--augment is of train: sweep takes the images as they are"),
];

fn hidden_from_sweep(option: Arg) -> Arg {
    let hidden = NOT_FOR_SWEEP.iter().any(|(name, _)| option.get_id() == name);
    if hidden { option.hide(true) } else { option }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BatchSize {
    Samples(usize),
    /// All samples of the training data.
    Full,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Equal {
    Samples,
    Steps,
}

/// Where the samples come from.
#[derive(Debug, Default, Args)]
pub(crate) struct Data {
    /// Directory with the four IDX files, plain or .gz; or a table with --target. A set of up to
    /// 256 MiB is kept in memory; a larger one is read by position, or streamed if it is compressed
    #[arg(long = "data", value_name = "DIR|FILE.csv", conflicts_with = "synthetic")]
    pub path: Option<PathBuf>,
    /// Draw digits instead of reading any
    #[arg(long)]
    pub synthetic: bool,
    /// Download MNIST from there
    #[arg(long, value_name = "URL")]
    pub mirror: Option<String>,
    /// Seed of initial weights, order of samples and synthetic digits
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}

/// What is learned of a table.
#[derive(Debug, Default, Args)]
pub(crate) struct Table {
    /// Column of the table to learn, by its name in the header, or by its number from 0: a text or
    /// one of few whole numbers is a class, any other number is a value
    #[arg(long, value_name = "COLUMN", requires = "path")]
    pub target: Option<String>,
    /// Test on this table [default: a fifth of the rows, drawn by --seed, is held out]
    #[arg(long, value_name = "FILE.csv", requires = "target")]
    pub test: Option<PathBuf>,
}

/// In which way files are read.
#[derive(Debug, Default, Args)]
pub(crate) struct Reading {
    /// Read the files in their order, through a shuffle buffer
    #[arg(long)]
    pub stream: bool,
    /// Samples in the buffer from which a stream's are drawn; 0 for the order of the file
    /// [default: 16384]
    #[arg(long, value_name = "N", conflicts_with = "no_shuffle")]
    pub shuffle_buffer: Option<usize>,
}

/// How batches are loaded, which changes nothing in them.
#[derive(Debug, Default, Args)]
pub(crate) struct Loading {
    /// Threads that read batches ahead [default: 0 for data in memory, else 1]
    #[arg(long, value_name = "N", value_parser = workers)]
    pub workers: Option<usize>,
    /// Batches that they read ahead at most [default: 10]
    #[arg(long, value_name = "N", value_parser = queue)]
    pub queue: Option<usize>,
}

/// How a batch is shared out.
#[derive(Debug, Default, Args)]
pub(crate) struct Sharing {
    /// Train together with the other processes that a launcher has started, as mpirun -n 4 does: each
    /// takes a share of every batch. The result has the same bits with any number of processes. The
    /// first one prints and writes
    #[arg(long, value_name = "HOW", value_enum)]
    pub distributed: Option<Distributed>,
    /// Cut each batch into N shards, at least one for each process: what is learned depends on their
    /// number, and not on that of processes [default: 8 with --distributed, else the batch is not cut]
    #[arg(long, value_name = "N", value_parser = shards)]
    pub shards: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Distributed {
    Mpi,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Augment {
    Shift,
}

/// Where to compute.
#[derive(Debug, Args)]
pub(crate) struct Backend {
    /// auto takes a GPU if there is one (a software adapter is none), else the CPU
    #[arg(
        id = "backend", long = "backend", value_name = "KIND", value_enum,
        default_value_t = BackendKind::Auto
    )]
    pub kind: BackendKind,
    /// GPU adapter whose name contains NAME; see `mnist-gpu adapters`
    #[arg(long, value_name = "NAME")]
    pub adapter: Option<String>,
    /// Threads that compute on the CPU; the results are the same bits with any number
    /// [default: all cores; with --distributed, its share of its machine's]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub threads: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BackendKind {
    Auto,
    Gpu,
    Cpu,
}

#[derive(Debug, Args)]
pub(crate) struct Evaluate {
    /// File that `train --save` wrote
    #[arg(long, value_name = "FILE")]
    pub model: PathBuf,
    #[command(flatten)]
    pub data: Data,
    #[command(flatten)]
    pub loading: Loading,
    #[command(flatten)]
    pub backend: Backend,
    /// Share the samples with the other processes that a launcher has started, as in train
    #[arg(long, value_name = "HOW", value_enum)]
    pub distributed: Option<Distributed>,
    /// Samples a step
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = at_least_one)]
    pub batch_size: usize,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What a saved model sees in PNG images, in the rows of a table, or in texts.
///
/// A model of a table takes CSV files with the columns that it was trained on, the target's or not.
///
/// An image must have the size of the model's samples (28x28 for MNIST): it is not resized.
/// Colors become grey, transparent parts black. MNIST's digits are white on black: a digit
/// written in black on white must be inverted first, or the answer means nothing.
///
/// A model with a text vectorizer in its file takes plain text, by --text.
#[derive(Debug, Args)]
pub(crate) struct Predict {
    /// File that `train --save` wrote
    #[arg(long, value_name = "FILE")]
    pub model: PathBuf,
    /// PNG files, or CSV files for a model of a table
    #[arg(value_name = "IMAGE.png|FILE.csv", required_unless_present = "texts")]
    pub files: Vec<PathBuf>,
    /// Plain text in place of files; several, if it is given several times; - takes each line of
    /// standard input as one
    #[arg(long = "text", value_name = "TEXT", conflicts_with = "files")]
    pub texts: Vec<OsString>,
    #[command(flatten)]
    pub backend: Backend,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Compare runs by the files of their --history.
///
/// Prints each value's best and last epoch; with --figure, draws loss and metrics of all runs over
/// their epochs.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Files that `train --history` wrote, .json or .csv
    #[arg(value_name = "HISTORY", required = true)]
    pub histories: Vec<PathBuf>,
    /// Draw the curves here
    #[arg(long, value_name = "FILE.svg|FILE.png")]
    pub figure: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// GPU adapter whose name contains NAME [default: the best one]
    #[arg(long, value_name = "NAME")]
    pub adapter: Option<String>,
    /// Only the probes, which takes seconds
    #[arg(long)]
    pub probes: bool,
    /// Seconds after which a probe that has not ended is ended, and counts as failed
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = at_least_one_u32)]
    pub time_limit: u32,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Probe {
    /// Its name
    #[arg(value_name = "PROBE")]
    pub name: String,
    /// GPU adapter whose name contains NAME
    #[arg(long, value_name = "NAME")]
    pub adapter: String,
}

#[derive(Debug, Args)]
pub(crate) struct Bench {
    #[command(flatten)]
    pub backend: Backend,
    /// Inputs, units of each hidden layer, classes
    #[arg(
        long, value_name = "SIZES", default_value = "784,128,10", value_delimiter = ',',
        value_parser = at_least_one
    )]
    pub layers: Vec<usize>,
    /// Samples a step
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = at_least_one)]
    pub batch_size: usize,
    /// How numbers are stored, as in train
    #[arg(long, value_name = "POLICY", value_enum, default_value_t = Precision::F32)]
    pub precision: Precision,
    /// Steps to measure
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = at_least_one_u32)]
    pub steps: u32,
    /// Steps before the measurement begins
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub warmup: u32,
    /// Submit so many steps to the GPU together, where the data lie on it: the same bits [default: 50]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub steps_per_submit: Option<usize>,
    /// Train on the IDX files in DIR instead of random bytes
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Print what a training step is on a GPU, and how long it should take there; needs no GPU.
///
/// Each dispatch, a kernel's run, with its workgroups, floating-point operations and bytes, and the
/// time that a model of such a device gives it; the total; the buffers with their sizes and when they
/// are used. The kernels are those that such a device runs. The times are estimates, made to choose
/// kernels by: bench measures.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// Inputs, units of each hidden layer, classes
    #[arg(
        long, value_name = "SIZES", default_value = "784,128,10", value_delimiter = ',',
        value_parser = at_least_one
    )]
    pub layers: Vec<usize>,
    /// Samples a step
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = at_least_one)]
    pub batch_size: usize,
    /// The kind of GPU; other is one of which nothing is known, as in a browser
    #[arg(long, value_name = "KIND", value_enum, default_value_t = DeviceKind::Discrete)]
    pub device: DeviceKind,
    /// Processors of the device: streaming multiprocessors, compute units or cores [default: 132
    /// for discrete, 10 for integrated, 32 for other]
    #[arg(long, value_name = "N", value_parser = at_least_one_u32)]
    pub processors: Option<u32>,
    /// Without what verify found wrong on the GPU adapter whose name contains NAME
    #[arg(long, value_name = "NAME")]
    pub adapter: Option<String>,
    /// Without these forms of kernels, such as tile64, fused_steps
    #[arg(long, value_name = "FORMS", value_delimiter = ',', value_parser = kernel_form)]
    pub without: Vec<KernelForm>,
    /// Print what else could run, too
    #[arg(long)]
    pub all: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DeviceKind {
    Discrete,
    Integrated,
    Other,
}

/// Print what a step would cost on 1 to 1,024 processes, and where adding more stops paying.
///
/// A model says it, from the numbers below; nothing is run. Each process computes its shards of a batch,
/// copies their gradients to the host, exchanges and adds up gradients with the others, and copies the sum
/// back. A message of n bytes takes latency + n / bandwidth. Speedup is over one process that runs the batch
/// as a whole. bench measures --samples-per-second and --step-time of a machine: run it with two batch sizes;
/// the fewer seconds a sample of the large one are, the more of a small one's are the step's own.
#[derive(Debug, Args)]
pub(crate) struct Scale {
    /// Inputs, units of each hidden layer, classes
    #[arg(
        long, value_name = "SIZES", default_value = "784,128,10", value_delimiter = ',',
        value_parser = at_least_one
    )]
    pub layers: Vec<usize>,
    /// Trained parameters of any other network, in place of --layers
    #[arg(long, value_name = "N", value_parser = at_least_one, conflicts_with = "layers")]
    pub parameters: Option<usize>,
    /// Samples a step, of all processes together; a curve for each
    #[arg(
        long, value_name = "N,N,...", default_value = "128,1024,8192,65536", value_delimiter = ',',
        value_parser = at_least_one
    )]
    pub batch_sizes: Vec<usize>,
    /// Numbers of processes [default: the powers of two up to 1,024, and to --shards]
    #[arg(long, value_name = "P,P,...", value_delimiter = ',', value_parser = at_least_one)]
    pub processes: Option<Vec<usize>>,
    /// Parts that a batch is cut into [default: as many as processes, rounded up to a power of two, and
    /// at least 8]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub shards: Option<usize>,
    /// Samples a second that one process trains on, without what a step takes besides [default: what
    /// --operations-per-second come to, at six for each parameter: two forward, four backward]
    #[arg(long, value_name = "N", value_parser = quantity::count_per_second)]
    pub samples_per_second: Option<f64>,
    /// Floating-point operations a second of one process; the default is what two cores of a server's
    /// CPU did with 784-128-10, and a GPU does 10 to 100 times as many
    #[arg(
        long, value_name = "N", default_value = "200G", value_parser = quantity::count_per_second,
        conflicts_with = "samples_per_second"
    )]
    pub operations_per_second: f64,
    /// Time of a step that more processes do not shorten: the optimizer's update, and launching the step
    /// [default: 1 ns for each parameter, as two cores took with 784-128-10]
    #[arg(long, value_name = "TIME", value_parser = quantity::seconds)]
    pub step_time: Option<f64>,
    /// Time that each shard of a process but its first takes besides its samples [default: 20us, and
    /// its gradients at --add-bandwidth]
    #[arg(long, value_name = "TIME", value_parser = quantity::seconds)]
    pub shard_time: Option<f64>,
    /// What joins two processes: its latency and bandwidth
    #[arg(long, value_name = "KIND", value_enum, default_value_t = Link::Ethernet25g)]
    pub link: Link,
    /// Time until the first byte of a message arrives [default: that of --link]
    #[arg(long, value_name = "TIME", value_parser = quantity::seconds)]
    pub latency: Option<f64>,
    /// Rate between two processes, each way [default: that of --link]
    #[arg(long, value_name = "RATE", value_parser = quantity::bytes_per_second)]
    pub bandwidth: Option<f64>,
    /// Rate of copies between the device and the host; two thirds of what PCI Express 3.0 x16 has
    #[arg(
        long, value_name = "RATE", default_value = "10GB/s",
        value_parser = quantity::bytes_per_second
    )]
    pub copy_bandwidth: f64,
    /// Rate at which the host adds gradients up; what one core of a server did
    #[arg(
        long, value_name = "RATE", default_value = "8GB/s",
        value_parser = quantity::bytes_per_second
    )]
    pub add_bandwidth: f64,
    /// Twice as many processes pay where they make a step shorter by this share
    #[arg(long, value_name = "SHARE", default_value_t = 0.1, value_parser = gain)]
    pub gain: f64,
    /// Draw the speedup here
    #[arg(long, value_name = "FILE.svg|FILE.png")]
    pub figure: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Link {
    /// 1 Gb Ethernet by TCP: 50 us, 118 MB/s
    #[value(name = "ethernet-1g")]
    Ethernet1g,
    /// 25 Gb Ethernet by TCP: 20 us, 2.94 GB/s
    #[value(name = "ethernet-25g")]
    Ethernet25g,
    /// InfiniBand HDR: 1.5 us, 25 GB/s
    InfinibandHdr,
    /// Shared memory of one machine: 1 us, 5 GB/s
    SameMachine,
}

#[derive(Debug, Args)]
pub(crate) struct Adapters {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What the command line asks for; or, after printing help or what is wrong, how to exit.
pub(crate) fn parse() -> Result<Command, ExitCode> {
    match parsed() {
        Ok(Arguments { command, train }) => Ok(command.unwrap_or(Command::Train(train))),
        Err(error)
            if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) =>
        {
            // A closed pipe is no reason to fail: the reader has seen enough.
            let _ = error.print();
            Err(ExitCode::SUCCESS)
        }
        Err(error) => {
            print::aside(&one_line(&error.render().to_string()));
            Err(ExitCode::from(FAILED))
        }
    }
}

fn parsed() -> Result<Arguments, clap::Error> {
    let matches = Arguments::command().try_get_matches()?;
    if let Some(sweep) = matches.subcommand_matches("sweep") {
        let given = |option: &str| sweep.value_source(option) == Some(ValueSource::CommandLine);
        if let Some((_, problem)) = NOT_FOR_SWEEP.iter().find(|(option, _)| given(option)) {
            return Err(Arguments::command().error(ErrorKind::ArgumentConflict, problem));
        }
    }
    Arguments::from_arg_matches(&matches)
}

/// clap's message without the usage that follows it.
fn one_line(message: &str) -> String {
    let says_what =
        |part: &&str| !part.starts_with("Usage:") && !part.starts_with("For more information");
    let parts = message.split("\n\n").filter(says_what);
    let words: Vec<&str> = parts.flat_map(str::split_whitespace).collect();
    words.join(" ")
}

fn at_least_one(text: &str) -> Result<usize, String> {
    let number = text.trim().parse().ok().filter(|&number| number > 0);
    number.ok_or_else(|| "give a whole number of at least 1".into())
}

fn shards(text: &str) -> Result<usize, String> {
    let most = Compiled::MOST_SHARDS;
    let number = text.trim().parse().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| format!("give a whole number from 1 to {most}"))
}

/// More threads than this would be a mistake.
const MOST_WORKERS: usize = 1024;
/// More batches than this would be a mistake.
const MOST_QUEUED: usize = 1 << 16;

fn workers(text: &str) -> Result<usize, String> {
    let number = text.trim().parse().ok().filter(|&number| number <= MOST_WORKERS);
    number.ok_or_else(|| format!("give a whole number from 0 to {MOST_WORKERS}"))
}

fn queue(text: &str) -> Result<usize, String> {
    let number = text.trim().parse().ok().filter(|&number| (1..=MOST_QUEUED).contains(&number));
    number.ok_or_else(|| format!("give a whole number from 1 to {MOST_QUEUED}"))
}

fn batch_size(text: &str) -> Result<BatchSize, String> {
    match text.trim() {
        "full" => Ok(BatchSize::Full),
        number => {
            let size = at_least_one(number).map(BatchSize::Samples);
            size.map_err(|_| "give whole numbers of at least 1, or full".into())
        }
    }
}

fn at_least_one_u32(text: &str) -> Result<u32, String> {
    let number = text.trim().parse().ok().filter(|&number| number > 0);
    number.ok_or_else(|| format!("give a whole number from 1 to {}", u32::MAX))
}

fn kernel_form(text: &str) -> Result<KernelForm, String> {
    KernelForm::named(text.trim()).ok_or_else(|| {
        let names: Vec<_> = KernelForm::all().map(KernelForm::name).collect();
        format!("give one of {}", names.join(", "))
    })
}

fn learning_rate(text: &str) -> Result<f64, String> {
    let number = text.trim().parse().ok();
    let positive = number.filter(|&rate: &f64| rate > 0.0 && rate.is_finite());
    positive.ok_or_else(|| "give a number above 0".into())
}

/// `500` steps, or `30s`.
fn checkpoint_every(text: &str) -> Result<Frequency, String> {
    let text = text.trim();
    let frequency = match text.strip_suffix('s') {
        Some(seconds) => {
            let time = seconds.parse().ok().and_then(|time| Duration::try_from_secs_f64(time).ok());
            time.filter(|time| !time.is_zero()).map(Frequency::Time)
        }
        None => text.parse().ok().filter(|&steps| steps > 0).map(Frequency::Batches),
    };
    frequency.ok_or_else(|| "give a number of steps, as 500, or of seconds, as 30s".into())
}

fn gain(text: &str) -> Result<f64, String> {
    let number = text.trim().parse().ok().filter(|share| *share > 0.0 && *share < 1.0);
    number.ok_or_else(|| "give a number above 0 and below 1".into())
}

fn fraction(text: &str) -> Result<f64, String> {
    let number = text.trim().parse().ok().filter(|share| (0.0..1.0).contains(share));
    number.ok_or_else(|| "give a number of at least 0 and below 1".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }
}
