//! How a batch is shared out.

use clap::{Args, ValueEnum};
use minibatch::Compiled;

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

fn shards(text: &str) -> Result<usize, String> {
    let most = Compiled::MOST_SHARDS;
    let number = text.trim().parse().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| format!("give a whole number from 1 to {most}"))
}
