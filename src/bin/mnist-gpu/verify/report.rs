//! What `verify` prints: rows of a table, JSON, and the line for an issue.

use minibatch::gpu::AdapterInfo;
use minibatch::parity::Verdict;
use minibatch::parity::probe::{Outcome, Probe};
use serde::Serialize;

use crate::verified::listed;

/// The version of wgpu that `Cargo.lock` names.
const WGPU: &str = "30.0.1";

#[derive(Serialize)]
pub(super) struct Report {
    pub adapter: String,
    pub driver: String,
    pub backend: String,
    pub passed: bool,
    /// One line for an issue report.
    pub issue: String,
    /// What the other commands do without.
    pub ruled_out: Vec<&'static str>,
    pub probes: Vec<ProbeRow>,
    pub checks: Vec<Row>,
}

/// How a probe ended.
#[derive(Serialize)]
pub(super) struct ProbeRow {
    pub probe: String,
    pub checks: &'static str,
    pub known: &'static str,
    pub verdict: String,
    pub passed: bool,
    #[serde(skip)]
    pub is_skipped: bool,
    pub seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

impl ProbeRow {
    pub(super) fn new(name: String, probe: Option<&'static Probe>, outcome: &Outcome) -> Self {
        let (checks, known) = match probe {
            Some(probe) => (probe.checks, probe.known),
            None => (
                "a device is made on the adapter",
                "AMD integrated GPUs on Windows: crash while asked what they can do \
                 (llama.cpp#22750)",
            ),
        };
        ProbeRow {
            probe: name,
            checks,
            known,
            verdict: outcome.to_string(),
            passed: !outcome.is_failure(),
            is_skipped: matches!(outcome, Outcome::Skipped(_)),
            seconds: 0.0,
            fault: outcome.fault().map(str::to_owned),
        }
    }

    /// The row of the table, and below it what is wrong.
    pub(super) fn lines(&self) -> String {
        let ProbeRow { probe, verdict, seconds, checks, known, .. } = self;
        let mut lines = format!("{probe:<32} {verdict:<28} {seconds:>7.2} s");
        if !self.passed {
            lines += &format!("\n    it checks: {checks}\n    known of: {known}");
        }
        if let Some(fault) = &self.fault {
            lines += &format!("\n    {fault}");
        }
        lines
    }
}

#[derive(Serialize)]
pub(super) struct Row {
    pub operation: String,
    shapes: usize,
    /// `None` for a result that is no number.
    worst_error: Option<f64>,
    bound: f64,
    pub passed: bool,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
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
    pub(super) fn line(&self) -> String {
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

/// One line that tells who reads an issue all that he asks for first.
pub(super) fn issue_line(info: &AdapterInfo, probes: &[ProbeRow], checks: &[Row]) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let AdapterInfo { name, backend, driver, driver_info, .. } = info;
    let driver = format!("{driver} {driver_info}");
    let counted = |what: &str, all: usize, failed: &[&str]| {
        let wrong = match failed {
            [] => String::new(),
            failed => format!("; failed: {}", listed(failed)),
        };
        format!("{} of {all} {what} passed{wrong}", all - failed.len())
    };
    // The first one, which opens the device, is no probe of what it computes, unless it fails.
    let ran = probes.iter().filter(|row| !row.is_skipped).count();
    let failed: Vec<String> =
        probes.iter().filter(|row| !row.passed).map(|row| told(&row.probe, &row.verdict)).collect();
    let failed: Vec<&str> = failed.iter().map(String::as_str).collect();
    let mut line = format!(
        "minibatch {version}, wgpu {WGPU} | {name} | {backend:?}, {} | {}",
        driver.trim(),
        counted("probes", ran, &failed)
    );
    if !checks.is_empty() {
        let failed: Vec<&str> =
            checks.iter().filter(|row| !row.passed).map(|row| &*row.operation).collect();
        line += &format!(" | {}", counted("operations", checks.len(), &failed));
    }
    line
}

fn told(name: &str, verdict: &str) -> String {
    match verdict {
        "wrong" => name.into(),
        other => format!("{name} {other}"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use minibatch::parity::probe::Need;

    use super::*;

    #[test]
    fn the_version_of_wgpu_is_that_of_the_lock_file() {
        let lock = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock"));
        assert!(lock.contains(&format!("name = \"wgpu\"\nversion = \"{WGPU}\"\n")));
    }

    #[test]
    fn an_issue_line_names_what_failed() {
        let row = |name: &str, outcome: Outcome| ProbeRow::new(name.into(), None, &outcome);
        let mut info =
            minibatch::Gpu::new().unwrap_or_else(|error| panic!("{error}")).info().clone();
        info.name = "A GPU".into();
        (info.driver, info.driver_info) = ("a driver".into(), "1.2".into());
        let version = env!("CARGO_PKG_VERSION");
        let begin = format!("minibatch {version}, wgpu {WGPU} | A GPU | Vulkan, a driver 1.2 | ");
        let mut rows = vec![
            row("first", Outcome::Passed),
            row("second", Outcome::Passed),
            row("third", Outcome::Skipped(Need::Halves)),
        ];
        assert_eq!(issue_line(&info, &rows, &[]), format!("{begin}2 of 2 probes passed"));
        rows.push(row("fourth", Outcome::Wrong("a value".into())));
        rows.push(row("fifth", Outcome::Crashed("signal 11".into())));
        rows.push(row("sixth", Outcome::TimedOut(Duration::from_secs(120))));
        assert_eq!(
            issue_line(&info, &rows, &[]),
            format!(
                "{begin}2 of 5 probes passed; failed: fourth, fifth crashed (signal 11), \
                 sixth timed out (120 s)"
            )
        );
    }
}
