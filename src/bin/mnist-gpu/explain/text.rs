//! What `explain` tells, to be read.

use std::collections::BTreeMap;

use super::report::{Alternative, Dispatch, Report, StepPlan};
use crate::print::columns;
use crate::{args, print, quantity};

/// # Errors
/// If it cannot be written.
pub(super) fn print(args: &args::Explain, report: &Report) -> anyhow::Result<()> {
    let layers: Vec<String> = args.layers.iter().map(usize::to_string).collect();
    let (layers, rows) = (layers.join("-"), args.batch_size);
    let (kind, processors) = (report.device.kind, report.device.processors);
    print::line(&format!(
        "A training step of {layers} on batches of {rows}, on {kind} with {processors} processors.\n\
         The times are what a model of such a device says, not measurements."
    ))?;
    if report.device.planned_rows != rows {
        let planned = report.device.planned_rows;
        print::line(&format!("The kernels are those for batches of up to {planned}."))?;
    }
    if !report.without.is_empty() {
        let why = match &args.adapter {
            Some(name) => format!("as verify found on {name}, or --without says"),
            None => "as --without says".into(),
        };
        print::line(&format!("It runs without {}, {why}.", report.without.join(", ")))?;
    }
    print::line("")?;
    dispatches(report)?;
    print::line("")?;
    memory(&report.memory)?;
    print::line("")?;
    buffers(report)?;
    all(report)
}

fn dispatches(report: &Report) -> anyhow::Result<()> {
    let titles = ["", "kernel", "workgroups", "operations", "bytes", "us", "reads -> writes"];
    let mut table = vec![titles.map(String::from)];
    for (number, dispatch) in (1..).zip(&report.dispatches) {
        let Dispatch { flops, bytes, us, .. } = dispatch;
        table.push([
            number.to_string(),
            name(dispatch),
            groups(dispatch),
            short(*flops),
            short(*bytes),
            format!("{us:.2}"),
            format!("{} -> {}", dispatch.reads.join(", "), dispatch.writes.join(", ")),
        ]);
    }
    let total = &report.total;
    table.push([
        String::new(),
        "together".into(),
        String::new(),
        short(total.flops),
        short(total.bytes),
        format!("{:.2}", total.us),
        format!("{:.0} steps/s if the host keeps up", 1e6 / total.us),
    ]);
    columns(&table, &[true, false, true, true, true, true, false])
}

fn memory(memory: &BTreeMap<&str, u64>) -> anyhow::Result<()> {
    let of = |kind: &str| memory.get(kind).copied().unwrap_or_default();
    let mut parts = vec![
        ("Parameters", of("parameters")),
        ("their gradients", of("gradients")),
        ("the optimizer's state", of("optimizer")),
        ("a batch and what is computed of it", of("batch")),
        ("what batches are uploaded through", of("uploads")),
    ];
    let other = of("total") - parts.iter().map(|(_, bytes)| bytes).sum::<u64>();
    parts.push(("other", other));
    let parts: Vec<_> =
        parts.into_iter().map(|(kind, bytes)| format!("{kind} {}B", short(bytes))).collect();
    let total = short(of("total"));
    let (first, last) = parts.split_at(3);
    print::line(&format!(
        "Memory on the device: {total}B. {},\n{}.",
        first.join(", "),
        last.join(", ")
    ))
}

fn buffers(report: &Report) -> anyhow::Result<()> {
    let mut table = vec![["buffer", "bytes", "used by", "kept"].map(String::from)];
    for buffer in &report.buffers {
        let used = match buffer.used {
            Some([first, last]) if first == last => format!("{first}"),
            Some([first, last]) => format!("{first} to {last}"),
            None => "no dispatch".into(),
        };
        let kept = if buffer.lasts { "from step to step" } else { "" };
        table.push([buffer.name.clone(), short(buffer.bytes), used, kept.into()]);
    }
    columns(&table, &[false, true, false, false])
}

fn all(report: &Report) -> anyhow::Result<()> {
    let Some(all) = &report.all else { return Ok(()) };
    print::line("\nIn which ways the step could run; > is what runs.")?;
    let mut table = vec![["", "the step", "dispatches", "us"].map(String::from)];
    for StepPlan { plan, chosen, total, .. } in &all.steps {
        let us = format!("{:.2}", total.us);
        table.push([mark(*chosen), (*plan).into(), total.dispatches.to_string(), us]);
    }
    columns(&table, &[false, false, true, true])?;
    for step in all.steps.iter().filter(|step| !step.kernels.is_empty()) {
        print::line(&format!("\nWith {}:", step.plan))?;
        for alternatives in &step.kernels {
            let title = format!("dispatch {}", alternatives.dispatch);
            let titles = ["", &title, "workgroups", "bytes", "us"];
            let mut table = vec![titles.map(String::from)];
            for Alternative { chosen, dispatch } in &alternatives.candidates {
                table.push([
                    mark(*chosen),
                    name(dispatch),
                    groups(dispatch),
                    short(dispatch.bytes),
                    format!("{:.2}", dispatch.us),
                ]);
            }
            columns(&table, &[false, false, true, true, true])?;
        }
    }
    Ok(())
}

fn mark(chosen: bool) -> String {
    if chosen { ">".into() } else { String::new() }
}

fn name(dispatch: &Dispatch) -> String {
    match &dispatch.form {
        Some(form) => format!("{} {form}", dispatch.kernel),
        None => dispatch.kernel.into(),
    }
}

fn groups(dispatch: &Dispatch) -> String {
    format!("{} x {}", dispatch.workgroups, dispatch.threads)
}

/// A number in three digits: 6.42 M, 101 k.
fn short(number: u64) -> String {
    quantity::short(number as f64)
}
