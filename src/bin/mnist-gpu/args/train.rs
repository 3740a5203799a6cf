//! The options of `train`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use minibatch::callbacks::Frequency;

use super::numbers::{at_least_one, at_least_one_u32, fraction};
use super::{Backend, Data, Loading, Reading, Sharing, Table};

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

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Augment {
    Shift,
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
