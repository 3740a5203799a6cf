//! The options of what looks at devices.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use minibatch::gpu::KernelForm;

use super::numbers::{at_least_one, at_least_one_u32};
use super::{Backend, Precision};

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// GPU adapter whose name contains NAME [default: the best one]
    #[arg(long, value_name = "NAME")]
    pub adapter: Option<String>,
    /// Only the probes, which takes seconds
    #[arg(long)]
    pub probes: bool,
    /// After the probes, only the operations and trainings whose name contains one of these; what is found
    /// is not kept for the other commands
    #[arg(long, value_name = "NAME,NAME,...", value_delimiter = ',', conflicts_with = "probes")]
    pub only: Vec<String>,
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

#[derive(Debug, Args)]
pub(crate) struct Adapters {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

fn kernel_form(text: &str) -> Result<KernelForm, String> {
    KernelForm::named(text.trim()).ok_or_else(|| {
        let names: Vec<_> = KernelForm::all().map(KernelForm::name).collect();
        format!("give one of {}", names.join(", "))
    })
}
