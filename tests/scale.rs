//! `mnist-gpu scale`, run as a user runs it.
#![cfg(feature = "cli")]

use std::process::{Command, Output};

use serde_json::Value;

fn run(arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mnist-gpu"))
        .arg("scale")
        .args(arguments.split_whitespace())
        // It needs no driver.
        .env("VK_DRIVER_FILES", "/dev/null")
        .output()
        .unwrap()
}

fn scale(arguments: &str) -> String {
    let output = run(arguments);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && error.is_empty(), "{arguments}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

fn json(arguments: &str) -> Value {
    serde_json::from_str(&scale(&format!("{arguments} --json"))).unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("{value} is no list"))
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// One million gradients, at 100 MB/s between processes: 40 ms for the bytes of all.
const ROUND: &str = "--parameters 1000000 --samples-per-second 10k --step-time 5ms --shard-time 1ms \
                     --latency 1ms --bandwidth 100MB/s --copy-bandwidth 1GB/s --add-bandwidth 2GB/s";

#[test]
fn the_numbers_are_those_of_the_formulas() {
    let report = json(&format!("{ROUND} --shards 64 --batch-sizes 640,6400 --processes 1,2,4,16"));
    for (batches, batch_size) in list(&report["batches"]).iter().zip([640.0, 6400.0]) {
        assert_eq!(number(&batches["batch_size"]), batch_size);
        let alone = 0.005 + batch_size / 1e4;
        let mut seconds = Vec::new();
        for (step, (count, levels)) in
            list(&batches["steps"]).iter().zip([(1.0, 0.0), (2.0, 1.0), (4.0, 2.0), (16.0, 4.0)])
        {
            assert_eq!(number(&step["processes"]), count);
            let share = (count - 1.0) / count;
            let computing = 0.005 + batch_size / 1e4 / count + (64.0 / count - 1.0) * 0.001;
            let copying = if count > 1.0 { 2.0 * 4e6 / 1e9 } else { 0.0 };
            let exchange = 2.0 * levels * 0.001 + share * (2.0 * 4e6 / 1e8 + 4e6 / 2e9);
            let all = computing + copying + exchange;
            for (key, expected) in [
                ("seconds", all),
                ("computing_seconds", computing),
                ("copying_seconds", copying),
                ("exchange_seconds", exchange),
                ("speedup", alone / all),
                ("efficiency", alone / all / count),
                ("samples_per_second", batch_size / all),
                ("bytes_sent", 2.0 * share * 4e6),
                ("messages", 2.0 * levels),
                ("shards", 64.0),
            ] {
                let value = number(&step[key]);
                assert!((value - expected).abs() <= 1e-9 * expected, "{key} {value} {expected}");
            }
            seconds.push((count, all));
        }
        let shortest = seconds.iter().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap().0;
        assert_eq!(number(&batches["shortest"]), shortest);
    }
    // 64 shards are not enough for 128 processes, however large the batch.
    let doubling = list(&json(&format!("{ROUND} --shards 64"))["doubling"]).to_vec();
    let processes: Vec<f64> = doubling.iter().map(|of| number(&of["processes"])).collect();
    assert_eq!(processes, [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0]);
    assert_eq!(doubling[6]["batch_size"], Value::Null);
    // 2 processes: 5 + 31 + 8 + 2 + 41 ms and half of the samples, where one takes 5 ms and all of them.
    let least = (0.087 - 0.9 * 0.005) / (0.9 - 0.5) * 1e4;
    assert_eq!(number(&doubling[0]["batch_size"]), f64::ceil(least));
}

#[test]
fn a_network_tells_its_parameters_and_the_defaults_follow_from_them() {
    let report = json("--layers 784,128,10 --operations-per-second 610620M --link same-machine");
    assert_eq!(number(&report["parameters"]), 101_770.0);
    assert_eq!(report["layers"], "784-128-10");
    for (key, expected) in [
        ("gradient_bytes", 407_080.0),
        // Six operations for each parameter.
        ("samples_per_second", 1e6),
        ("step_seconds", 101.77e-6),
        ("latency_seconds", 1e-6),
        ("bandwidth", 5e9),
        // The gradients at 8 GB/s, and 20 us.
        ("shard_seconds", 20e-6 + 50.885e-6),
    ] {
        let value = number(&report[key]);
        assert!((value - expected).abs() <= 1e-12 * expected.max(1.0), "{key}: {value}");
    }
    let steps = list(&report["batches"][0]["steps"]);
    let processes: Vec<f64> = steps.iter().map(|step| number(&step["processes"])).collect();
    assert_eq!(processes, (0..=10).map(|level| f64::from(1 << level)).collect::<Vec<_>>());
}

#[test]
fn the_text_says_what_it_is_and_where_adding_stops_paying() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("scale.svg");
    let text = scale(&format!("{ROUND} --batch-sizes 640,64000 --figure {}", path.display()));
    assert!(text.starts_with("1000000 parameters, 4.00 MB of gradients."), "{text}");
    for part in [
        "What a model of the cost says, not measurements.",
        "10.0 ksamples/s",
        "1.00 ms and 100 MB/s",
        "Batches of 64000; one process takes 6.41 s",
        "twice as many processes shorten a step by 10% or more:",
        "figure saved to",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let svg = std::fs::read_to_string(path).unwrap();
    for part in ["ideal", "batch 640", "batch 64000", "more do not pay", "samples a batch"] {
        assert!(svg.contains(part), "{part}");
    }
}

#[test]
fn what_cannot_be_is_refused_in_a_line() {
    for (arguments, part) in [
        ("--latency 25", "25us"),
        ("--bandwidth 3", "3GB/s"),
        ("--samples-per-second 0", "300k"),
        ("--gain 1", "below 1"),
        ("--layers 784", "at least two sizes"),
        ("--shards 4 --processes 8", "shards"),
        ("--processes 100000", "processes"),
        ("--figure scale.pdf", ".svg or .png"),
        ("--layers 784,10 --parameters 5", "cannot be used with"),
    ] {
        let output = run(arguments);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments}");
        assert!(error.contains(part) && error.lines().count() == 1, "{arguments}: {error}");
    }
}
