//! Where to compute.

use clap::{Args, ValueEnum};

use super::numbers::at_least_one;

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
