//! `mnist-gpu sweep`, run as a user runs it.
#![cfg(feature = "cli")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use approx::{assert_abs_diff_eq, assert_relative_eq};
use serde_json::Value;
use tempfile::TempDir;

/// Training samples of the bundled sample.
const SAMPLES: f64 = 1500.0;

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Place(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Exit code, standard output, standard error; `line` is split at spaces.
    fn run(&self, line: &str) -> (Option<i32>, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_mnist-gpu"))
            .args(line.split(' '))
            .args(["--data", concat!(env!("CARGO_MANIFEST_DIR"), "/data/digits-sample")])
            .current_dir(self.0.path())
            .env_remove("MNIST_DIR")
            .env_remove("XDG_RUNTIME_DIR")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    fn succeed(&self, line: &str) -> String {
        let (code, out, err) = self.run(line);
        assert_eq!(code, Some(0), "{line}: {err}");
        out
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path(name)).unwrap()).unwrap()
    }

    /// The measurements of a sweep with these options.
    fn sweep(&self, options: &str) -> Value {
        self.succeed(&format!("sweep --backend cpu --hidden 8 --json s.json {options}"));
        self.json("s.json")
    }
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn runs(report: &Value) -> &[Value] {
    report["runs"].as_array().unwrap()
}

fn numbers(report: &Value, key: &str) -> Vec<f64> {
    runs(report).iter().map(|run| number(&run[key])).collect()
}

#[test]
fn one_by_one_in_batches_and_all_at_once_are_compared() {
    let place = Place::new();
    for backend in ["cpu", "gpu"] {
        let out = place.succeed(&format!(
            "sweep --backend {backend} --hidden 8 --batch-sizes 1,50,full --epochs 2 --json s.json \
             --figure f.svg"
        ));
        let lines: Vec<&str> = out.lines().collect();
        let [_, _, _, plan, heading, rows @ .., suggested, _, _] = &lines[..] else {
            panic!("{out}")
        };
        assert!(plan.contains("3000 samples (2 epochs of 1500)"), "{out}");
        assert!(heading.contains("ms/step") && rows.len() == 3, "{out}");
        assert!(suggested.contains("suggested batch size"), "{out}");
        assert!(fs::read_to_string(place.path("f.svg")).unwrap().starts_with("<svg"));

        let report = place.json("s.json");
        assert_eq!(numbers(&report, "batch_size"), [1.0, 50.0, SAMPLES]);
        assert_eq!(numbers(&report, "steps_per_epoch"), [1500.0, 30.0, 1.0]);
        assert_eq!(numbers(&report, "steps"), [3000.0, 60.0, 2.0]);
        for (run, row) in runs(&report).iter().zip(rows) {
            let cells: Vec<&str> = row.split_whitespace().collect();
            assert_eq!((cells.len(), cells[0]), (12, &*run["batch_size"].to_string()), "{row}");
            let of = |key: &str| number(&run[key]);
            let seconds = of("steps") * of("step_ms") / 1e3;
            assert_relative_eq!(of("samples_per_second") * seconds, 2.0 * SAMPLES, epsilon = 1e-3);
            assert_relative_eq!(of("epoch_seconds"), seconds / 2.0, max_relative = 1e-9);
            let epochs = run["history"]["epochs"].as_array().unwrap();
            let told: f64 = epochs.iter().map(|epoch| number(&epoch["seconds"])).sum();
            assert_relative_eq!(told, seconds, max_relative = 1e-9);
            assert_eq!(run["epochs"], serde_json::json!([1.0, 2.0]));
            let [training, test] = ["training", "test"].map(|part| number(&run[part]["accuracy"]));
            assert_abs_diff_eq!(of("generalization_gap"), training - test, epsilon = 1e-12);
            // The test data are what each epoch is validated on.
            let last = number(&epochs[1]["val_accuracy"]);
            assert_abs_diff_eq!(last, test, epsilon = 1e-12);
        }
        let bytes = numbers(&report, "device_bytes");
        assert!(bytes[0] < bytes[1] && bytes[1] < bytes[2], "{bytes:?}");
        // Pixels, a label and a weight for each sample at least, and the parameters.
        assert!(bytes[2] > SAMPLES * 784.0 && bytes[0] > 4.0 * 784.0 * 8.0, "{bytes:?}");

        let [one, fifty, full] = [0, 1, 2].map(|run| &runs(&report)[run]["gradient_uncertainty"]);
        assert_eq!(number(&full["measured"]), 0.0);
        // By the root of the batch size.
        let ratio = number(&one["expected"]) / number(&fifty["expected"]);
        assert_relative_eq!(ratio, 50f64.sqrt(), max_relative = 1e-9);
        // 81 batches of 50, whose deviations have many directions; 1500 samples one by one, each
        // once, which have all of the variance.
        let off = |noise: &Value| number(&noise["measured"]) / number(&noise["expected"]) - 1.0;
        assert!(off(fifty).abs() < 0.25, "{fifty}");
        assert!(off(one).abs() < 0.2, "{one}");

        let scale = number(&report["gradient_noise_scale"]);
        let nearest = scale.log2().round().clamp(0.0, 10.0).exp2();
        assert_eq!(number(&report["suggested_batch_size"]), nearest);
        let reason = report["reason"].as_str().unwrap();
        assert!(reason.contains(&format!("noise scale is {scale:.0} samples")), "{reason}");
    }
}

#[test]
fn a_run_of_a_sweep_learns_what_train_learns() {
    let place = Place::new();
    let report = place.sweep("--batch-sizes 64,50 --epochs 2 --seed 3 --learning-rate 0.002");
    place.succeed(
        "train --backend cpu --hidden 8 --batch-size 50 --epochs 2 --seed 3 --learning-rate 0.002 \
         --history h.json",
    );
    let (trained, run) = (place.json("h.json"), &runs(&report)[1]);
    assert_eq!(trained["test"]["accuracy"], run["test"]["accuracy"]);
    for (trained, own) in trained["epochs"]
        .as_array()
        .unwrap()
        .iter()
        .zip(run["history"]["epochs"].as_array().unwrap())
    {
        // The sums are read, and rounded, more often.
        assert_relative_eq!(number(&trained["loss"]), number(&own["loss"]), max_relative = 1e-6);
        assert_eq!(trained["accuracy"], own["accuracy"]);
    }
}

#[test]
fn runs_can_have_equally_many_steps() {
    let place = Place::new();
    let report = place.sweep("--batch-sizes 30,100 --epochs 2 --equal steps");
    // As many as batches of 100 need for two epochs.
    assert_eq!(numbers(&report, "steps"), [30.0, 30.0]);
    assert_eq!(numbers(&report, "steps_per_epoch"), [50.0, 15.0]);
    assert_eq!(runs(&report)[0]["epochs"], serde_json::json!([0.6]));
    assert_eq!(runs(&report)[1]["epochs"], serde_json::json!([1.0, 2.0]));
    assert_eq!(report["equal"], "steps");
    let options = "--batch-sizes 700,full --epochs 3 --equal steps --steps-per-epoch 4";
    assert_eq!(numbers(&place.sweep(options), "steps"), [12.0, 12.0]);
}

#[test]
fn the_learning_rate_follows_the_batch_size_if_asked_and_divergence_is_a_result() {
    let place = Place::new();
    let report = place.sweep("--batch-sizes 16,32,256 --epochs 1 --linear-scaling");
    assert_eq!(numbers(&report, "learning_rate"), [0.0005, 0.001, 0.008]);
    let options = "--batch-sizes 32,750 --epochs 1 --linear-scaling --learning-rate 1e37";
    let out = place.succeed(&format!("sweep --backend cpu --json s.json {options}"));
    assert!(out.contains("learning rate 10000000000000000000000000000000000000 times"), "{out}");
    assert!(out.contains("diverged"), "{out}");
    let report = place.json("s.json");
    assert_eq!(runs(&report)[1]["diverged"], true);
    assert_eq!(runs(&report)[1]["sharpness"], Value::Null);
}

#[test]
fn what_is_held_out_is_not_trained_on() {
    let place = Place::new();
    let report = place.sweep("--batch-sizes full --epochs 1 --validation-split 0.2");
    assert_eq!(numbers(&report, "batch_size"), [1200.0]);
    assert_eq!(report["training_samples"], 1200);
}

#[test]
fn a_careless_call_is_refused_before_anything_is_trained() {
    let place = Place::new();
    for (options, reason) in [
        ("--batch-sizes 0", "give whole numbers of at least 1, or full"),
        ("--batch-sizes=", "give whole numbers of at least 1, or full"),
        ("--batch-sizes 32,,64", "give whole numbers of at least 1, or full"),
        ("--batch-sizes -3", "'-3'"),
        ("--batch-sizes 1.5", "give whole numbers of at least 1, or full"),
        ("--batch-sizes all", "give whole numbers of at least 1, or full"),
        ("--batch-sizes 32,64,32", "32 stands twice"),
        ("--batch-sizes full,full", "1500 stands twice (full is all training samples)"),
        ("--batch-sizes 1500,full", "1500 stands twice (full is all training samples)"),
        ("--batch-sizes 1501", "1501 is more than the 1500 training samples; full takes all"),
        ("--batch-size 32", "give --batch-sizes"),
        ("--save m.safetensors", "sweep keeps no model"),
        ("--history h.json", "give --json"),
        ("--steps-per-epoch 3", "give --equal steps with it"),
        ("--equal epochs", "possible values: samples, steps"),
        ("--epochs 0", "give a whole number from 1"),
        ("--figure f.txt", "--figure f.txt: give a file name that ends in .svg or .png"),
        ("--figure nowhere/f.svg", "the directory nowhere does not exist"),
        ("--json nowhere/s.json", "--json nowhere/s.json: the directory nowhere does not exist"),
        ("--json f.svg --figure f.svg", "name the same file"),
    ] {
        let (code, out, err) = place.run(&format!("sweep --backend cpu {options}"));
        assert_eq!((code, &*out), (Some(2), ""), "{options}: {err}");
        assert!(err.contains(reason) && err.lines().count() == 1, "{options}: {err}");
    }
    assert_eq!(fs::read_dir(place.0.path()).unwrap().count(), 0);
}
