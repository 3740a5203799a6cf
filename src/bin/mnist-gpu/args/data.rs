//! Where the samples come from, and how they are read.

use std::path::PathBuf;

use clap::Args;

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
