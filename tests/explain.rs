//! `mnist-gpu explain`, run as a user runs it.
#![cfg(feature = "cli")]

use std::process::Command;

use serde_json::Value;

/// Networks, batch sizes, and what the products of matrices of a step add up to, in floating-point
/// operations: of each layer the result, the gradients of the weights, and, but for the first layer,
/// those of what it reads.
const CASES: [(&str, u64, u64); 4] = [
    ("784,128,10", 32, 2 * 32 * (2 * 784 * 128 + 3 * 128 * 10)),
    ("784,128,10", 128, 2 * 128 * (2 * 784 * 128 + 3 * 128 * 10)),
    ("784,128,10", 1024, 2 * 1024 * (2 * 784 * 128 + 3 * 128 * 10)),
    ("784,1024,1024,10", 256, 2 * 256 * (2 * 784 * 1024 + 3 * 1024 * 1024 + 3 * 1024 * 10)),
];

fn explain(arguments: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_mnist-gpu"))
        .arg("explain")
        .args(arguments.split_whitespace())
        // It needs no driver.
        .env("VK_DRIVER_FILES", "/dev/null")
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && error.is_empty(), "{arguments}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

fn json(arguments: &str) -> Value {
    serde_json::from_str(&explain(&format!("{arguments} --json"))).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("{value} is no list"))
}

fn sum(list: &[Value], key: &str) -> f64 {
    list.iter().map(|entry| number(&entry[key])).sum()
}

#[test]
fn the_dispatches_add_up_to_the_step() {
    for (layers, batch_size, products) in CASES {
        let report = json(&format!("--layers {layers} --batch-size {batch_size}"));
        let dispatches = list(&report["dispatches"]);
        let total = &report["total"];
        assert_eq!(number(&total["dispatches"]), dispatches.len() as f64);
        for key in ["flops", "bytes", "us"] {
            let sum = sum(dispatches, key);
            assert!((sum - number(&total[key])).abs() <= 1e-9 * sum, "{key}: {sum}");
            assert!(dispatches.iter().all(|one| number(&one[key]) > 0.0), "{key}");
        }
        let of_products: f64 = dispatches
            .iter()
            .filter(|one| one.get("form").is_some())
            .map(|one| number(&one["flops"]))
            .sum();
        let products = products as f64;
        let sizes: Vec<u64> = layers.split(',').map(|size| size.parse().unwrap()).collect();
        let kernels: Vec<_> =
            dispatches.iter().map(|one| one["kernel"].as_str().unwrap()).collect();
        let expected = match kernels[..] {
            ["fused_step_rows", "fused_step_weights"] => 0.0,
            ["dense_forward", "fused_step_rows", "fused_step_weights"] => {
                (2 * batch_size * sizes[0] * sizes[1]) as f64
            }
            _ => products,
        };
        assert_eq!(of_products, expected, "{layers} at {batch_size}");
        // Besides, Adam takes some operations for each parameter, and the loss for each output.
        let parameters: u64 = sizes.windows(2).map(|pair| (pair[0] + 1) * pair[1]).sum();
        let besides = 20 * parameters + 50 * batch_size * sizes.iter().sum::<u64>();
        let flops = number(&total["flops"]);
        assert!((products..products + besides as f64).contains(&flops), "{flops}, {products}");
        let memory = report["memory"].as_object().unwrap();
        let parts: f64 =
            memory.iter().filter(|(key, _)| *key != "total").map(|(_, part)| number(part)).sum();
        assert_eq!(parts, number(&memory["total"]));
        let buffers = sum(list(&report["buffers"]), "bytes");
        let others = ["uploads", "constants", "readback"].map(|kind| number(&memory[kind]));
        assert_eq!(buffers + others.iter().sum::<f64>(), number(&memory["total"]));
    }
}

/// The figures that others were measured against, in millions and to their digits.
#[test]
fn the_work_of_the_four_steps_is_known() {
    let millions = CASES.map(|(_, _, products)| products as f64 / 1e6);
    for (counted, known) in millions.into_iter().zip([13.0, 52.0, 418.0, 2_450.0]) {
        assert!((counted - known).abs() <= known * 0.01, "{counted} and {known}");
    }
}

#[test]
fn what_runs_takes_the_least_time_of_all_that_could() {
    for (layers, batch_size, _) in CASES {
        for device in ["--processors 132", "--device integrated", "--device other"] {
            let arguments = format!("--layers {layers} --batch-size {batch_size} {device} --all");
            let report = json(&arguments);
            let steps = list(&report["all"]["steps"]);
            let mut forms = 0;
            for kernels in steps.iter().flat_map(|step| list(&step["kernels"])) {
                let candidates = list(&kernels["candidates"]);
                forms += candidates.len();
                let chosen: Vec<_> =
                    candidates.iter().filter(|one| one["chosen"] == true).collect();
                assert_eq!(chosen.len(), 1, "{kernels}");
                let runs = number(&chosen[0]["us"]);
                assert!(candidates.iter().all(|one| number(&one["us"]) >= runs), "{kernels}");
            }
            let chosen: Vec<_> = steps.iter().filter(|step| step["chosen"] == true).collect();
            assert_eq!(chosen.len(), 1);
            let runs = number(&report["total"]["us"]);
            assert_eq!(number(&chosen[0]["us"]), runs);
            assert!(steps.iter().all(|step| number(&step["us"]) >= runs), "{steps:?}");
            // What is chosen in the places of the step is what runs.
            for kernels in list(&chosen[0]["kernels"]) {
                let place = number(&kernels["dispatch"]) as usize - 1;
                let runs = &list(&report["dispatches"])[place];
                let mut candidates = list(&kernels["candidates"]).iter();
                assert!(candidates.any(|one| one["chosen"] == true && one["form"] == runs["form"]));
            }
            assert!(steps.len() > 1 && forms > 0, "nothing to choose from");
        }
    }
}

#[test]
fn a_small_step_takes_at_most_15_us_on_a_large_gpu() {
    let us = |arguments: &str| number(&json(arguments)["total"]["us"]);
    let small = us("--layers 784,128,10 --batch-size 32 --processors 132");
    assert!(small <= 15.0, "{small} us");
    // Fewer processors are never faster, and no step takes less than its dispatches do.
    assert!(us("--layers 784,128,10 --batch-size 32 --processors 2") > small);
    assert!(small > 2.0 * 1.3);
}

/// Parameters, moments, gradients, and what the gradients need of the layers: the batch and the
/// results of the two hidden layers; half a percent for the rest.
#[test]
fn a_step_needs_little_more_memory_than_its_gradients_do() {
    let report = json("--layers 784,1024,1024,10 --batch-size 256");
    let parameters = 784 * 1024 + 1024 * 1024 + 1024 * 10 + 1024 + 1024 + 10;
    let needed = 4 * (4 * parameters) + 256 * (784 + 4 * (1024 + 1024 + 10));
    let total = number(&report["memory"]["total"]);
    assert!(total >= needed as f64, "{total} of {needed}: something is not counted");
    assert!(total <= 1.3 * needed as f64, "{total} of {needed}");
}

#[test]
fn a_newcomer_can_read_it() {
    let text = explain("--layers 784,128,10 --batch-size 100 --all");
    for said in ["784-128-10", "batches of 100", "dense_forward", "steps/s", "not measurements"] {
        assert!(text.contains(said), "{text:?} does not say {said:?}");
    }
    // Every buffer that a step writes is said to be used.
    let report = json("--layers 784,128,10 --batch-size 100");
    let lines: Vec<&str> = text.lines().collect();
    for buffer in list(&report["buffers"]) {
        let name = buffer["name"].as_str().unwrap();
        let line = lines.iter().find(|line| line.starts_with(name)).unwrap();
        assert_eq!(line.contains("no dispatch"), buffer["used"].is_null(), "{line}");
    }
    assert!(lines.iter().all(|line| line.trim_end() == *line), "{text:?}");
}

#[test]
fn sizes_that_make_no_network_are_refused() {
    for arguments in ["--layers 784", "--layers 0,10", "--batch-size 0", "--processors 0"] {
        let output = Command::new(env!("CARGO_BIN_EXE_mnist-gpu"))
            .arg("explain")
            .args(arguments.split_whitespace())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments}");
    }
}
