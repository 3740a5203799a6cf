//! Checks an adapter before it is trusted: the probes, each in a process of its own, then every operation
//! and a whole training against the f64 oracle.

pub(crate) mod child;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use minibatch::Gpu;
use minibatch::gpu::{AdapterInfo, KernelForm, KernelForms, adapters, block_on};
use minibatch::operation::MatrixForm;
use minibatch::parity::probe::{Attempt, Outcome, ruled_out};
use minibatch::parity::{self, Training, Verdict};

use crate::verified::{Found, Part};
use crate::{args, print};
use report::{ProbeRow, Report, Row, issue_line};

/// A bound was broken: the adapter, its driver or our kernel for it computes wrong numbers.
const BROKEN: u8 = 1;

/// # Errors
/// If there is no such adapter, or the device fails. Broken bounds are no error but exit code 1.
pub(crate) fn run(args: &args::Verify) -> anyhow::Result<ExitCode> {
    check_names(args)?;
    let info = chosen(args.adapter.as_deref())?;
    // What an earlier, longer run found of the operations stays where only the probes run.
    let mut found = Found::nothing(&info);
    if args.probes
        && let Some(earlier) = Found::read(&info)
    {
        found.operations = earlier.operations;
    }
    let Probed { rows: probes, part, gpu } = probe(args, &info)?;
    found.probes = part;
    let mut checks = Vec::new();
    if let Some(gpu) = gpu.filter(|_| !args.probes) {
        // The probes' part is kept even if the driver takes the operations down with it.
        keep(args, &found, &info)?;
        (checks, found.operations) = check(args, &gpu)?;
    }
    let kept = keep(args, &found, &info)?;
    let failed = found.failed().len();
    let issue = issue_line(&info, &probes, &checks);
    if args.json {
        print::json(&Report {
            adapter: info.name.clone(),
            driver: format!("{} {}", info.driver, info.driver_info),
            backend: info.backend.to_string(),
            passed: failed == 0,
            issue,
            ruled_out: found.forms().iter().map(KernelForm::name).collect(),
            probes,
            checks,
        })?;
    } else {
        print::line(&verdict(&found, probes.len() + checks.len(), !args.only.is_empty()))?;
        if let Some(path) = kept.filter(|_| failed > 0) {
            print::line(&format!("kept for the other commands in {}", path.display()))?;
        }
        print::line(&format!("for an issue report: {issue}"))?;
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(BROKEN) })
}

/// Keeps what was found for the other commands, unless `--only` left something out; where.
fn keep(args: &args::Verify, found: &Found, info: &AdapterInfo) -> anyhow::Result<Option<PathBuf>> {
    if args.only.is_empty() { found.write(info) } else { Ok(None) }
}

/// What it all means.
fn verdict(found: &Found, count: usize, only: bool) -> String {
    let (failed, forms) = (found.failed().len(), found.forms());
    let is_trusted = !found.probes.adapter && !found.operations.adapter;
    match (failed, is_trusted) {
        (0, _) if only => format!("all {count} checks passed; without --only there are more"),
        (_, _) if only => format!(
            "{failed} of {count} checks failed; nothing is kept for the other commands: run verify \
             without --only"
        ),
        (0, _) => format!("all {count} checks passed: this adapter can be trusted"),
        (_, true) => format!(
            "{failed} checks failed: the other commands do without {forms}; a newer driver may help"
        ),
        (_, false) => format!(
            "{failed} checks failed: do not trust what this adapter computes; a newer driver may help"
        ),
    }
}

/// What wgpu tells of the adapter that [`Gpu::with_adapter`] or [`Gpu::new`] takes. No device is made,
/// which a driver might not survive.
pub(crate) fn chosen(name: Option<&str>) -> anyhow::Result<AdapterInfo> {
    let infos = block_on(adapters());
    let wanted = name.unwrap_or_default().to_lowercase();
    match infos.into_iter().find(|info| info.name.to_lowercase().contains(&wanted)) {
        Some(info) => Ok(info),
        // It says what there is in its place.
        None => match name.map_or_else(Gpu::new, Gpu::with_adapter) {
            Err(error) => Err(error.into()),
            Ok(gpu) => bail!("{} came while it was looked for; try again", gpu.info().name),
        },
    }
}

/// What the probes found.
struct Probed {
    rows: Vec<ProbeRow>,
    part: Part,
    /// The device without what failed, if it can be used.
    gpu: Option<Gpu>,
}

/// Runs every probe in a child.
fn probe(args: &args::Verify, info: &AdapterInfo) -> anyhow::Result<Probed> {
    let limit = Duration::from_secs(args.time_limit.into());
    if !args.json {
        print::line(&format!("adapter: {} ({})", info.name, info.backend))?;
        print::line(&format!(
            "probes of what drivers are known to get wrong, each in a process of its own, which is \
             ended after {} s (--time-limit)",
            limit.as_secs()
        ))?;
    }
    let mut rows = Vec::new();
    let mut failed = Vec::new();
    let mut tried = |name: &str, attempt: Option<&Attempt>| -> anyhow::Result<Outcome> {
        let start = Instant::now();
        let outcome = child::outcome_of(name, &info.name, limit)?;
        let probe = attempt.map(|attempt| attempt.probe);
        let row = ProbeRow::new(name.into(), probe, &outcome);
        let row = ProbeRow { seconds: start.elapsed().as_secs_f64(), ..row };
        if !args.json {
            print::line(&row.lines())?;
        }
        if outcome.is_failure() {
            failed.push(format!("{name}: {outcome}"));
        }
        rows.push(row);
        Ok(outcome)
    };
    if tried(child::OPEN_DEVICE, None)?.is_failure() {
        let part = Part::new(failed, KernelForms::NONE, true);
        return Ok(Probed { rows, part, gpu: None });
    }
    let gpu = Gpu::with_adapter(&info.name)?;
    let attempts = Attempt::all(&gpu);
    let outcomes = attempts.iter().map(|attempt| tried(&attempt.name(), Some(attempt)));
    let outcomes = outcomes.collect::<anyhow::Result<Vec<_>>>()?;
    let ruled_out = ruled_out(attempts.iter().zip(&outcomes));
    let gpu = gpu.without_forms(ruled_out.forms.iter());
    let is_trusted = !ruled_out.adapter && gpu.has_matrix_form();
    let part = Part::new(failed, ruled_out.forms, !is_trusted);
    Ok(Probed { rows, part, gpu: Some(gpu).filter(|_| is_trusted) })
}

/// Runs every operation in each form that the adapter may be given, fused steps and trainings.
fn check(args: &args::Verify, gpu: &Gpu) -> anyhow::Result<(Vec<Row>, Part)> {
    if !args.json {
        print::line("each result against the CPU in f64; worst is the one closest to its bound")?;
        print::line(&format!(
            "{:<32} {:>6} {:>12} {:>10}  {:<7} {:>9}",
            "operation", "shapes", "worst error", "its bound", "verdict", "time"
        ))?;
    }
    let mut checks = Vec::new();
    let mut failed = Vec::new();
    let (mut forms_out, mut adapter) = (KernelForms::NONE, false);
    // What fails takes its form with it, or all trust where it has none.
    let mut report = |verdict: Verdict, form: Option<KernelForm>| -> anyhow::Result<()> {
        let row = Row::from(verdict);
        if !args.json {
            print::line(&row.line())?;
            if let Some(fault) = &row.fault {
                print::line(&format!("    {fault}"))?;
            }
        }
        if !row.passed {
            failed.push(row.operation.clone());
            forms_out.extend(form);
            adapter |= form.is_none();
        }
        checks.push(row);
        Ok(())
    };
    let mut forms = gpu.matrix_forms();
    let class = gpu.adapter_class();
    if forms.iter().any(|form| form.class() == class) {
        forms.retain(|form| form.class() == class);
    } else {
        forms.retain(|form| *form == MatrixForm::Register);
    }
    for case in parity::forms_for(gpu) {
        let tried = parity::distinct(&case, &forms)?;
        for &form in &tried {
            let name = if tried.len() > 1 { of_form(&case.name, form) } else { case.name.clone() };
            if !asked(args, &name) {
                continue;
            }
            let gpu = gpu.clone().with_matrix_form(form)?;
            let shapes = parity::shapes_of(&case, form)?;
            let mut verdict = block_on(parity::operation(&gpu, &case, &shapes))?;
            verdict.name = name;
            let form = match (is_of_a_form(&case)?, case.halves) {
                (true, _) => Some(KernelForm::Matrix(form)),
                (false, true) => Some(KernelForm::Halves),
                (false, false) => None,
            };
            report(verdict, form)?;
        }
    }
    if !gpu.ruled_out().contains(KernelForm::FusedSteps) {
        for form in parity::fused_forms().into_iter().filter(|form| asked(args, &form.name)) {
            let verdict = block_on(parity::fused_step(gpu, &form, &parity::fused_shapes()))?;
            report(verdict, Some(KernelForm::FusedSteps))?;
        }
    }
    let trainings = Training::ALL.into_iter().filter(|training| training.runs_on(gpu));
    for training in trainings.filter(|training| asked(args, training.name())) {
        report(block_on(parity::training(gpu, training))?, None)?;
    }
    ensure!(!checks.is_empty(), "--only {}: this adapter runs none of them", args.only.join(","));
    Ok((checks, Part::new(failed, forms_out, adapter)))
}

/// What a case is called where it is tried in several forms.
fn of_form(case: &str, form: MatrixForm) -> String {
    format!("{case} {}", form.name())
}

/// Whether `--only` lets it run.
fn asked(args: &args::Verify, name: &str) -> bool {
    args.only.is_empty() || args.only.iter().any(|part| name.contains(part.as_str()))
}

/// # Errors
/// If `--only` has a part that is in no name that any adapter's checks have.
fn check_names(args: &args::Verify) -> anyhow::Result<()> {
    let cases = parity::forms().into_iter().map(|case| case.name);
    let names: Vec<String> = cases
        .flat_map(|case| MatrixForm::ALL.map(|form| of_form(&case, form)))
        .chain(parity::fused_forms().into_iter().map(|form| form.name))
        .chain(Training::ALL.map(|training| training.name().into()))
        .collect();
    for part in &args.only {
        ensure!(
            names.iter().any(|name| name.contains(part.as_str())),
            "--only {part}: no operation or training has it in its name; verify prints them all"
        );
    }
    Ok(())
}

/// Whether a case runs a matrix kernel.
fn is_of_a_form(case: &parity::Form) -> anyhow::Result<bool> {
    let dispatches = parity::dispatches(case, [7, 5, 3], MatrixForm::Register)?;
    Ok(dispatches.iter().any(|dispatch| dispatch.arithmetic.form().is_some()))
}
