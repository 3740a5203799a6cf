//! Prints and draws what a step would cost on many processes.

use std::process::ExitCode;

use anyhow::Context;
use minibatch::chart::{Axis, Colour, Figure, Mark, Panel, Series};
use minibatch::distributed::cost::{Link, Machine, StepCost, Training};
use serde::Serialize;

use crate::quantity::{short, time};
use crate::{args, figure, network, print};

/// Of processes that no list names.
const MOST_PROCESSES: usize = 1024;

/// Floating-point operations for each parameter and sample: a multiplication and an addition forward, and
/// two of each backward, for the gradients of the weights and of what a layer reads.
const OPERATIONS: f64 = 6.0;

/// Seconds of a step for each parameter, and of a shard besides adding its gradients, unless given.
const PARAMETER_SECONDS: f64 = 1e-9;
const SHARD_SECONDS: f64 = 20e-6;

const BYTES: f64 = 4.0;

/// All that is told.
#[derive(Debug, Serialize)]
struct Report {
    /// Sizes of the layers; `None` if only the number of parameters is known.
    layers: Option<String>,
    parameters: usize,
    gradient_bytes: f64,
    samples_per_second: f64,
    step_seconds: f64,
    shard_seconds: f64,
    latency_seconds: f64,
    bandwidth: f64,
    copy_bandwidth: f64,
    add_bandwidth: f64,
    gain: f64,
    batches: Vec<Batches>,
    doubling: Vec<Doubling>,
}

/// Steps of one batch size.
#[derive(Debug, Serialize)]
struct Batches {
    batch_size: usize,
    /// Of one process that runs the batch as a whole.
    seconds_alone: f64,
    steps: Vec<Step>,
    /// Of the numbers of processes that were looked at, the one with the shortest step.
    shortest: usize,
    /// The most processes that pay, of the powers of two up to the last number that was looked at.
    pays_up_to: usize,
}

impl Batches {
    /// The largest power of two up to the last number of processes that was looked at.
    fn last_power(&self) -> usize {
        let last = self.steps.last().map_or(1, |step| step.processes);
        1 << last.max(1).ilog2()
    }
}

#[derive(Debug, Serialize)]
struct Step {
    processes: usize,
    shards: usize,
    seconds: f64,
    computing_seconds: f64,
    copying_seconds: f64,
    exchange_seconds: f64,
    speedup: f64,
    /// Speedup for each process.
    efficiency: f64,
    samples_per_second: f64,
    bytes_sent: f64,
    messages: usize,
}

/// From which batch size on twice as many processes pay.
#[derive(Debug, Serialize)]
struct Doubling {
    processes: usize,
    /// `None` if from none, as there are not so many shards.
    batch_size: Option<usize>,
}

/// # Errors
/// If the numbers make no sense together, or the figure cannot be written.
pub(crate) fn run(args: &args::Scale) -> anyhow::Result<ExitCode> {
    if let Some(path) = &args.figure {
        figure::check(path)?;
    }
    let report = report(args)?;
    match args.json {
        true => print::json(&report)?,
        false => print_text(args, &report)?,
    }
    if let Some(path) = &args.figure {
        figure::write(path, &drawn(args, &report))?;
        if !args.json {
            print::line(&format!("\nfigure saved to {}", path.display()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn report(args: &args::Scale) -> anyhow::Result<Report> {
    let (layers, parameters) = match (args.parameters, args.layers.as_slice()) {
        (Some(parameters), _) => (None, parameters),
        (None, [inputs, hidden @ .., classes]) if args.layers.len() > 1 => {
            let network = network::build(&[*inputs], hidden, 0.0, *classes)?;
            let sizes = network::sizes(&network.input, &network.layers);
            let parameters = network::parameters(&network);
            (Some(sizes), parameters.context("too many parameters")?)
        }
        (None, _) => anyhow::bail!("--layers needs at least two sizes: inputs and classes"),
    };
    let machine = machine(args, parameters);
    let training = |batch_size| {
        let mut training = Training::new(parameters, batch_size);
        training.shards = args.shards;
        training
    };
    let most = args.shards.unwrap_or(MOST_PROCESSES).min(MOST_PROCESSES);
    let mut processes = match &args.processes {
        Some(given) => given.clone(),
        None => (0..).map(|level| 1 << level).take_while(|&count| count <= most).collect(),
    };
    processes.sort_unstable();
    processes.dedup();
    let last = processes.last().copied().unwrap_or(1);
    let batches = args.batch_sizes.iter().map(|&batch_size| {
        let training = training(batch_size);
        let alone = machine.alone(&training)?;
        let cost = |&processes: &usize| Ok(step(alone, &machine.step(&training, processes)?));
        let steps: Vec<Step> = processes.iter().map(cost).collect::<minibatch::Result<_>>()?;
        let shortest = steps.iter().min_by(|a, b| a.seconds.total_cmp(&b.seconds));
        Ok(Batches {
            batch_size,
            seconds_alone: alone,
            shortest: shortest.map_or(1, |step| step.processes),
            pays_up_to: machine.processes_that_pay(&training, last, args.gain)?,
            steps,
        })
    });
    let doubling = processes.iter().map(|&processes| {
        let batch_size = machine.batch_that_pays(&training(1), processes, args.gain)?;
        Ok(Doubling { processes, batch_size })
    });
    Ok(Report {
        layers,
        parameters,
        gradient_bytes: parameters as f64 * BYTES,
        samples_per_second: machine.samples_per_second,
        step_seconds: machine.step_seconds,
        shard_seconds: machine.shard_seconds,
        latency_seconds: machine.link.latency,
        bandwidth: machine.link.bandwidth,
        copy_bandwidth: machine.copy_bandwidth,
        add_bandwidth: machine.add_bandwidth,
        gain: args.gain,
        batches: batches.collect::<minibatch::Result<_>>()?,
        doubling: doubling.collect::<minibatch::Result<_>>()?,
    })
}

fn machine(args: &args::Scale, parameters: usize) -> Machine {
    let link = match args.link {
        args::Link::Ethernet1g => Link::ETHERNET_1G,
        args::Link::Ethernet25g => Link::ETHERNET_25G,
        args::Link::InfinibandHdr => Link::INFINIBAND_HDR,
        args::Link::SameMachine => Link::SAME_MACHINE,
    };
    let link = Link {
        latency: args.latency.unwrap_or(link.latency),
        bandwidth: args.bandwidth.unwrap_or(link.bandwidth),
    };
    let parameters = parameters as f64;
    let computed = args.operations_per_second / (OPERATIONS * parameters);
    let mut machine = Machine::new(args.samples_per_second.unwrap_or(computed), link);
    machine.copy_bandwidth = args.copy_bandwidth;
    machine.add_bandwidth = args.add_bandwidth;
    machine.step_seconds = args.step_time.unwrap_or(PARAMETER_SECONDS * parameters);
    let added = SHARD_SECONDS + BYTES * parameters / args.add_bandwidth;
    machine.shard_seconds = args.shard_time.unwrap_or(added);
    machine
}

fn step(alone: f64, cost: &StepCost) -> Step {
    let speedup = alone / cost.seconds();
    Step {
        processes: cost.processes,
        shards: cost.shards,
        seconds: cost.seconds(),
        computing_seconds: cost.computing,
        copying_seconds: cost.copying,
        exchange_seconds: cost.exchange,
        speedup,
        efficiency: speedup / cost.processes as f64,
        samples_per_second: cost.samples_per_second(),
        bytes_sent: cost.bytes,
        messages: cost.messages,
    }
}

/// What is trained, in words.
fn named(report: &Report) -> String {
    let parameters = format!("{} parameters", report.parameters);
    report.layers.as_ref().map_or(parameters.clone(), |layers| format!("{layers}, {parameters}"))
}

fn joined(args: &args::Scale, report: &Report) -> String {
    let link = match (args.link, args.latency, args.bandwidth) {
        (args::Link::Ethernet1g, None, None) => "1 Gb Ethernet: ",
        (args::Link::Ethernet25g, None, None) => "25 Gb Ethernet: ",
        (args::Link::InfinibandHdr, None, None) => "InfiniBand HDR: ",
        (args::Link::SameMachine, None, None) => "one machine's memory: ",
        _ => "",
    };
    format!("{link}{} and {}B/s", time(report.latency_seconds), short(report.bandwidth))
}

fn print_text(args: &args::Scale, report: &Report) -> anyhow::Result<()> {
    print::line(&format!(
        "{}, {}B of gradients. What a model of the cost says, not measurements.\n\
         A process: {}samples/s; besides, {} a step and {} for each of its shards but the first;\n\
         {}B/s copied, {}B/s added up. Between two processes: {}.",
        named(report),
        short(report.gradient_bytes),
        short(report.samples_per_second),
        time(report.step_seconds),
        time(report.shard_seconds),
        short(report.copy_bandwidth),
        short(report.add_bandwidth),
        joined(args, report),
    ))?;
    for batches in &report.batches {
        print_batches(batches, report.gain)?;
    }
    let share = report.gain * 100.0;
    print::line(&format!(
        "\nBatches from which twice as many processes shorten a step by {share}% or more:"
    ))?;
    let mut table = vec![["processes", "samples", "for each process"].map(String::from)];
    for Doubling { processes, batch_size } in &report.doubling {
        let [samples, each] = match batch_size {
            Some(samples) => [samples.to_string(), samples.div_ceil(2 * processes).to_string()],
            None => ["none", ""].map(String::from),
        };
        table.push([format!("{processes} to {}", 2 * processes), samples, each]);
    }
    print::columns(&table, &[true; 3])
}

fn print_batches(batches: &Batches, gain: f64) -> anyhow::Result<()> {
    let alone = time(batches.seconds_alone);
    print::line(&format!(
        "\nBatches of {}; one process takes {alone} for one as a whole.",
        batches.batch_size
    ))?;
    let titles = [
        "processes",
        "shards",
        "step",
        "computing",
        "copying",
        "exchange",
        "speedup",
        "efficiency",
        "samples/s",
        "sends",
        "messages",
    ];
    let mut table = vec![titles.map(String::from)];
    for step in &batches.steps {
        table.push([
            step.processes.to_string(),
            step.shards.to_string(),
            time(step.seconds),
            time(step.computing_seconds),
            time(step.copying_seconds),
            time(step.exchange_seconds),
            format!("{:.2}", step.speedup),
            format!("{:.0}%", 100.0 * step.efficiency),
            short(step.samples_per_second).trim_end().to_owned(),
            format!("{}B", short(step.bytes_sent)),
            step.messages.to_string(),
        ]);
    }
    print::columns(&table, &[true; 11])?;
    let share = gain * 100.0;
    let last = batches.last_power();
    let pays = match batches.pays_up_to {
        1 if last > 1 => {
            format!("More than one do not pay: they shorten it by less than {share}%.")
        }
        most if most == last => format!("{most} pay."),
        most => format!("{most} pay: more shorten it by less than {share}% a doubling."),
    };
    print::line(&format!("A step is shortest on {} of these. {pays}", batches.shortest))
}

/// The speedup, and the batches for which twice as many processes pay.
fn drawn(args: &args::Scale, report: &Report) -> Figure {
    let counts = || report.doubling.iter().map(|doubling| doubling.processes as f64);
    let processes = |label: &str| {
        let end = counts().fold(2.0, f64::max);
        Axis::log(label).ticks(counts().collect::<Vec<_>>()).range(0.9, 1.12 * end)
    };
    let steps = || report.batches.iter().flat_map(|batches| &batches.steps);
    let highest = counts().fold(2.0, f64::max);
    let lowest = steps().map(|step| step.speedup).fold(1.0, f64::min).max(1.0 / 64.0);
    let powers = (-6..=16).map(|level| 2f64.powi(level)).collect::<Vec<_>>();
    let speedup = Axis::log("speedup over one process that runs whole batches")
        .ticks(powers)
        .range(0.9 * lowest, 1.12 * highest);
    let mut panel = Panel::new("speedup", processes("processes"), speedup).series(
        Series::reference("ideal", counts().map(|count| (count, count)).collect::<Vec<_>>()),
    );
    let mut stops = Vec::new();
    for batches in &report.batches {
        let curve = batches.steps.iter().map(|step| (step.processes as f64, step.speedup));
        let curve: Vec<_> = curve.collect();
        let at = batches.pays_up_to as f64;
        let stop = curve.iter().filter(|(processes, _)| *processes == at);
        stops.extend(stop.filter(|_| batches.pays_up_to < batches.last_power()));
        panel = panel.series(Series::line(format!("batch {}", batches.batch_size), curve));
    }
    let stops = Series::scatter("more do not pay", stops).colour(Colour::BLACK).mark(Mark::Diamond);
    let from: Vec<_> = report
        .doubling
        .iter()
        .filter_map(|doubling| Some((doubling.processes as f64, doubling.batch_size? as f64)))
        .collect();
    let title =
        format!("batch from which twice as many shorten a step by {}%", report.gain * 100.0);
    let pays = Panel::new(
        title,
        processes("processes before they are doubled"),
        Axis::log("samples a batch"),
    )
    .series(Series::line("", from).points());
    Figure::new(format!("{}; {}", named(report), joined(args, report)))
        .columns(2)
        .panel_size(640, 460)
        .panel(panel.series(stops))
        .panel(pays)
}
