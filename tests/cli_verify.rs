//! `mnist-gpu verify` and what the other commands make of it, run as a user runs them.
#![cfg(feature = "cli")]

#[allow(dead_code, reason = "others use the rest")]
#[path = "support/program.rs"]
mod program;

use std::fs;
use std::process::Output;

use minibatch::Gpu;
use minibatch::gpu::{KernelForm, MatrixForm};
use program::{Place, told};
use serde_json::{Value, json};

impl Place {
    /// `verify --probes --json` where the driver has these faults: code and report.
    fn verify(&self, faults: &str, more: &str) -> (Option<i32>, Value) {
        let mut command = self.command(&format!("verify --probes --json {more}"));
        let (code, out, err) =
            told(command.env("MINIBATCH_PROBE_FAULTS", faults).output().unwrap());
        let report =
            serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out} {err}"));
        (code, report)
    }

    /// The line about the backend of a command.
    fn backend(&self, line: &str) -> String {
        let (code, out, err) = self.run(line);
        assert_eq!(code, Some(0), "{line}: {err}");
        let told = out.lines().find(|line| line.starts_with("backend: "));
        told.unwrap_or_else(|| panic!("{line} says no backend: {out}")).into()
    }

    /// Names of the kernels' forms in a step that `explain` plans.
    fn forms(&self, more: &str) -> (Vec<String>, Vec<String>, Value) {
        let (code, out, err) = self.run(&format!("explain --json {more}"));
        assert_eq!(code, Some(0), "{err}");
        let report: Value = serde_json::from_str(&out).unwrap();
        let dispatches = report["dispatches"].as_array().unwrap();
        let texts = |key: &str| {
            let all = dispatches.iter().filter_map(|one| one[key].as_str());
            all.map(str::to_owned).collect::<Vec<_>>()
        };
        (texts("form"), texts("kernel"), report["without"].clone())
    }
}

fn verdict<'r>(report: &'r Value, probe: &str) -> &'r str {
    let rows = report["probes"].as_array().unwrap();
    let row = rows.iter().find(|row| row["probe"] == probe);
    row.unwrap_or_else(|| panic!("no {probe} in {report}"))["verdict"].as_str().unwrap()
}

#[test]
fn probes_pass_and_nothing_is_ruled_out() {
    let place = Place::with_sample();
    let (code, report) = place.verify("", "");
    assert_eq!(code, Some(0), "{report}");
    assert_eq!([&report["passed"], &report["ruled_out"]], [&json!(true), &json!([])]);
    assert_eq!(report["checks"], json!([]));
    for row in report["probes"].as_array().unwrap() {
        let verdict = row["verdict"].as_str().unwrap();
        assert!(verdict == "passed" || verdict.starts_with("skipped: needs "), "{row}");
    }
    assert_eq!(verdict(&report, "open-device"), "passed");
    let issue = report["issue"].as_str().unwrap();
    let gpu = Gpu::new().unwrap_or_else(|error| panic!("{error}"));
    let begin = format!("minibatch {}, wgpu 30", env!("CARGO_PKG_VERSION"));
    assert!(issue.starts_with(&begin) && issue.contains(&gpu.info().name), "{issue}");
    assert!(issue.ends_with(" probes passed") && issue.lines().count() == 1, "{issue}");
    let line = place.backend("bench --steps 2 --warmup 1 --backend gpu --layers 4,3,2");
    assert!(!line.contains("verify"), "{line}");
    // Text in the place of JSON.
    let (_, out, _) = place.run("verify --probes");
    assert!(out.contains(&format!("for an issue report: {issue}")), "{out}");
}

#[test]
fn each_way_to_fail_has_its_verdict_and_rules_its_form_out() {
    let place = Place::with_sample();
    let faults = "fused-steps=abort,zeroed-workgroup=hang,small-matrices/register=wrong";
    let (code, report) = place.verify(faults, "--time-limit 30");
    assert_eq!(code, Some(1), "{report}");
    assert_eq!(verdict(&report, "fused-steps"), "crashed (signal 6)");
    assert_eq!(verdict(&report, "zeroed-workgroup"), "timed out (30 s)");
    assert_eq!(verdict(&report, "small-matrices/register"), "wrong");
    assert_eq!(verdict(&report, "rows-257/register"), "passed");
    let out = report["ruled_out"].as_array().unwrap();
    let hardware = MatrixForm::ALL.into_iter().take(9).map(MatrixForm::name);
    let expected: Vec<&str> = hardware.chain(["register", "fused_steps"]).collect();
    assert_eq!(out, &expected);
    let issue = report["issue"].as_str().unwrap();
    for part in ["fused-steps crashed (signal 6)", "zeroed-workgroup timed out (30 s)"] {
        assert!(issue.contains(part), "{issue}");
    }
    // Without an adapter explain knows nothing of it; with it no tile is planned, and no fused step.
    let (forms, kernels, without) = place.forms("");
    assert!(forms.iter().any(|form| form.starts_with("tile")) || kernels.len() < 4, "{kernels:?}");
    assert_eq!(without, Value::Null);
    let name = report["adapter"].as_str().unwrap().split(' ').next().unwrap();
    let first = &place.run(&format!("explain --adapter {name}"));
    // All forms of a GPU are ruled out there, register too, so there is none left.
    assert_eq!(first.0, Some(2), "{first:?}");
    assert!(first.2.contains("ruled out"), "{first:?}");
    // A new look, with a driver that is right, takes it all back.
    let (code, report) = place.verify("", "");
    assert_eq!((code, &report["ruled_out"]), (Some(0), &json!([])));
    assert_eq!(place.forms(&format!("--adapter {name}")).2, Value::Null);
}

#[test]
fn what_failed_is_not_planned_and_every_command_says_so() {
    let place = Place::with_sample();
    let (code, report) = place.verify("zeroed-workgroup=wrong", "");
    assert_eq!(code, Some(1), "{report}");
    let name = report["adapter"].as_str().unwrap().split(' ').next().unwrap().to_owned();
    let (forms, kernels, without) = place.forms(&format!("--adapter {name}"));
    assert!(!kernels.iter().any(|kernel| kernel.starts_with("fused")), "{kernels:?}");
    assert!(!forms.is_empty() && forms.iter().all(|form| form == "register"), "{forms:?}");
    assert_eq!(without.as_array().unwrap().len(), 10);
    let (_, text, _) = place.run(&format!("explain --adapter {name}"));
    let said: Vec<&str> = text.lines().filter(|line| line.contains("without")).collect();
    assert_eq!(said.len(), 1, "{text}");
    assert!(said[0].contains("tile64") && said[0].contains("fused_steps"), "{text}");

    let note = "fused_steps, found wrong by mnist-gpu verify";
    let train = "train --data sample --epochs 1 --backend gpu --save m.safetensors";
    for line in [
        train,
        "evaluate --model m.safetensors --data sample --backend gpu",
        "bench --steps 2 --warmup 1 --backend gpu --layers 4,3,2",
    ] {
        let told = place.backend(line);
        assert!(told.contains(note), "{told}");
    }
    let seven = format!("{}/data/seven.png", env!("CARGO_MANIFEST_DIR"));
    fs::copy(seven, place.path("seven.png")).unwrap();
    let (code, out, err) = place.run("predict --model m.safetensors seven.png --backend gpu");
    assert_eq!(code, Some(0), "{err}");
    assert!(err.contains(note) && !out.contains(note), "{out} {err}");
}

#[test]
fn an_adapter_that_cannot_be_trusted_is_not_taken_by_itself() {
    let place = Place::with_sample();
    let (code, report) = place.verify("workgroup-barrier=wrong", "");
    assert_eq!((code, &report["ruled_out"]), (Some(1), &json!([])));
    let line = place.backend("bench --steps 2 --warmup 1 --layers 4,3,2");
    assert!(line.contains("the CPU"), "{line}");
    let line = place.backend("bench --steps 2 --warmup 1 --layers 4,3,2 --backend gpu");
    assert!(line.contains("workgroup-barrier: wrong") && line.contains("do not trust"), "{line}");
    // Where not even a device is made, nothing else is tried.
    let (code, report) = place.verify("open-device=abort", "");
    assert_eq!(code, Some(1), "{report}");
    assert_eq!(report["probes"].as_array().unwrap().len(), 1);
    assert!(report["issue"].as_str().unwrap().contains("open-device crashed"), "{report}");
}

/// Whatever lies in the file, the commands run.
#[test]
fn a_damaged_file_is_as_none() {
    let place = Place::with_sample();
    place.verify("zeroed-workgroup=wrong", "");
    let directory = place.path("cache/minibatch/verified");
    let file = fs::read_dir(&directory).unwrap().next().unwrap().unwrap().path();
    let whole = fs::read_to_string(&file).unwrap();
    let bench = "bench --steps 2 --warmup 1 --backend gpu --layers 4,3,2";
    assert!(place.backend(bench).contains("verify"));
    let other_driver = whole.replacen("\\n", "\\n7", 1);
    for damaged in ["", "{}", "[1, 2]", &whole[..whole.len() / 2], &other_driver] {
        fs::write(&file, damaged).unwrap();
        assert!(!place.backend(bench).contains("verify"), "{damaged}");
    }
}

#[test]
fn forms_are_ruled_out_by_name() {
    let place = Place::with_sample();
    let all: Vec<&str> = KernelForm::all().map(KernelForm::name).collect();
    let (forms, kernels, _) = place.forms("--without fused_steps");
    assert!(!kernels.iter().any(|kernel| kernel.starts_with("fused")) && !forms.is_empty());
    let usual = forms[0].clone();
    let (others, _, _) = place.forms(&format!("--without fused_steps,{usual}"));
    assert!(!others.contains(&usual) && others.len() == forms.len(), "{others:?} after {forms:?}");
    let Output { status, stderr, .. } = place.command("explain --without tile").output().unwrap();
    let error = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(2));
    assert!(all.iter().all(|name| error.contains(name)), "{error}");
}
