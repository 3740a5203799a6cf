//! The options of what is done with a saved model, or with the histories of runs.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::numbers::at_least_one;
use super::{Backend, Data, Distributed, Loading};

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
    /// Share the images or the rows with the other processes that a launcher has started, as in train
    #[arg(long, value_name = "HOW", value_enum, conflicts_with = "texts")]
    pub distributed: Option<Distributed>,
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
