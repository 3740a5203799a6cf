//! The options of `scale`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::numbers::at_least_one;
use crate::quantity;

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

fn gain(text: &str) -> Result<f64, String> {
    let number = text.trim().parse().ok().filter(|share| *share > 0.0 && *share < 1.0);
    number.ok_or_else(|| "give a number above 0 and below 1".into())
}
