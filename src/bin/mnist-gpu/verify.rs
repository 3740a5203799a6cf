//! Checks an adapter before it is trusted: every operation and a whole training against the f64
//! oracle.

use std::process::ExitCode;

use minibatch::Gpu;
use minibatch::parity::{self, Training, Verdict};
use serde::Serialize;

use crate::{args, print};

/// A bound was broken: the adapter, its driver or our kernel for it computes wrong numbers.
const BROKEN: u8 = 1;

#[derive(Serialize)]
struct Report {
    adapter: String,
    driver: String,
    backend: String,
    passed: bool,
    checks: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    operation: String,
    shapes: usize,
    /// `None` for a result that is no number.
    worst_error: Option<f64>,
    bound: f64,
    passed: bool,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
}

impl From<Verdict> for Row {
    fn from(verdict: Verdict) -> Self {
        let passed = verdict.passed();
        let worst = verdict.worst;
        let fault = match (passed, verdict.stray) {
            (true, _) => None,
            (false, Some(stray)) => Some(stray),
            (false, None) => Some(worst.place),
        };
        Row {
            operation: verdict.name,
            shapes: verdict.shapes,
            worst_error: Some(worst.error).filter(|error| error.is_finite()),
            bound: worst.bound,
            passed,
            seconds: verdict.seconds,
            fault,
        }
    }
}

impl Row {
    fn line(&self) -> String {
        let error = self.worst_error.map_or("no number".into(), |error| format!("{error:.2e}"));
        format!(
            "{:<32} {:>6} {:>12} {:>10.2e}  {:<7} {:>7.2} s",
            self.operation,
            self.shapes,
            error,
            self.bound,
            if self.passed { "ok" } else { "BROKEN" },
            self.seconds
        )
    }
}

/// # Errors
/// If there is no such adapter, or the device fails. Broken bounds are no error but exit code 1.
pub(crate) fn run(args: &args::Verify) -> anyhow::Result<ExitCode> {
    let gpu = match &args.adapter {
        Some(name) => Gpu::with_adapter(name)?,
        None => Gpu::new()?,
    };
    if !args.json {
        print::line(&format!("adapter: {}", gpu.describe()))?;
        print::line("each result against the CPU in f64; worst is the one closest to its bound")?;
        print::line(&format!(
            "{:<32} {:>6} {:>12} {:>10}  {:<7} {:>9}",
            "operation", "shapes", "worst error", "its bound", "verdict", "time"
        ))?;
    }
    let mut checks = Vec::new();
    let mut report = |verdict: Verdict| -> anyhow::Result<()> {
        let row = Row::from(verdict);
        if !args.json {
            print::line(&row.line())?;
            if let Some(fault) = &row.fault {
                print::line(&format!("    {fault}"))?;
            }
        }
        checks.push(row);
        Ok(())
    };
    let mut forms = gpu.matrix_forms();
    forms.retain(|form| form.class() == gpu.adapter_class());
    for case in parity::forms() {
        let tried = parity::distinct(&case, &forms)?;
        for &form in &tried {
            let gpu = gpu.clone().with_matrix_form(form)?;
            let shapes = parity::shapes_of(&case, form)?;
            let mut verdict = minibatch::gpu::block_on(parity::operation(&gpu, &case, &shapes))?;
            if tried.len() > 1 {
                verdict.name = format!("{} {}", verdict.name, form.name());
            }
            report(verdict)?;
        }
    }
    for form in parity::fused_forms() {
        report(minibatch::gpu::block_on(parity::fused_step(
            &gpu,
            &form,
            &parity::fused_shapes(),
        ))?)?;
    }
    for training in Training::ALL {
        report(minibatch::gpu::block_on(parity::training(&gpu, training))?)?;
    }
    let broken = checks.iter().filter(|row| !row.passed).count();
    if args.json {
        let info = gpu.info();
        print::json(&Report {
            adapter: info.name.clone(),
            driver: format!("{} {}", info.driver, info.driver_info),
            backend: info.backend.to_string(),
            passed: broken == 0,
            checks,
        })?;
    } else if broken == 0 {
        print::line(&format!("all {} checks passed: this adapter can be trusted", checks.len()))?;
    } else {
        print::line(&format!(
            "{broken} of {} checks failed: do not trust what this adapter computes; a newer \
             driver may help",
            checks.len()
        ))?;
    }
    Ok(if broken == 0 { ExitCode::SUCCESS } else { ExitCode::from(BROKEN) })
}
