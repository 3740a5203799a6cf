//! The options of `sweep`.

use std::path::PathBuf;

use clap::{Arg, Args, ValueEnum};

use super::Train;
use super::numbers::at_least_one;

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
pub(super) const NOT_FOR_SWEEP: [(&str, &str); 17] = [
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

fn batch_size(text: &str) -> Result<BatchSize, String> {
    match text.trim() {
        "full" => Ok(BatchSize::Full),
        number => {
            let size = at_least_one(number).map(BatchSize::Samples);
            size.map_err(|_| "give whole numbers of at least 1, or full".into())
        }
    }
}
