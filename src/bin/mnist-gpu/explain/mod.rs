//! Prints what a training step is on a GPU, without one.

mod report;
mod text;

use std::process::ExitCode;
use std::sync::Arc;

use minibatch::gpu::planned_memory;
use minibatch::model::lower;
use minibatch::operation::{Adapter, AdapterClass, DeviceModel, KernelForms};
use minibatch::program::{Explanation, Pass, Program, explain};
use minibatch::{Adam, Loss, MemoryUse, Metric};

use crate::args::{self, DeviceKind};
use crate::verified::Found;
use crate::{network, print, verify};
use report::Report;

/// # Errors
/// If the network cannot be built.
pub(crate) fn run(args: &args::Explain) -> anyhow::Result<ExitCode> {
    let model = match args.device {
        DeviceKind::Discrete => DeviceModel::DISCRETE,
        DeviceKind::Integrated => DeviceModel::INTEGRATED,
        DeviceKind::Other => DeviceModel::OTHER,
    };
    let model = model.with_processors(args.processors.unwrap_or(model.processors));
    let mut without = match &args.adapter {
        Some(name) => Found::read(&verify::chosen(Some(name))?).unwrap_or_default().forms(),
        None => KernelForms::NONE,
    };
    without.extend(args.without.iter().copied());
    let adapter = Adapter { without, ..Adapter::new(AdapterClass::Hardware).with_model(model) };
    let step = explained(&Arc::new(program(args, true)?), args.batch_size, adapter)?;
    let unfused = match args.all {
        true => Some(explained(&Arc::new(program(args, false)?), args.batch_size, adapter)?),
        false => None,
    };
    let report = Report::new(args, &model, &step, unfused.as_ref(), without);
    if args.json {
        print::json(&report)?;
    } else {
        text::print(args, &report)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A step of a program.
struct Step {
    program: Arc<Program>,
    explanation: Explanation,
    /// What the model takes with such batches.
    memory: MemoryUse,
}

fn explained(program: &Arc<Program>, rows: usize, adapter: Adapter) -> anyhow::Result<Step> {
    let explanation = explain(program, Pass::Train.of_whole_batch(), rows, adapter)?;
    let memory = planned_memory(program, rows, adapter, None)?;
    Ok(Step { program: Arc::clone(program), explanation, memory })
}

/// The network that `bench` trains, as a program.
fn program(args: &args::Explain, fused: bool) -> anyhow::Result<Program> {
    let [inputs, hidden @ .., classes] = args.layers.as_slice() else {
        anyhow::bail!("--layers needs at least two sizes: inputs and classes");
    };
    let compiled = network::build(&[*inputs], hidden, 0.0, *classes)?
        .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
        .fusion(fused);
    Ok(lower(&compiled)?)
}
