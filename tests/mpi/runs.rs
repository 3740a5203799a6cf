//! `mnist-gpu train`, `evaluate` and `predict` with `--distributed mpi`, launched as a user launches them: the
//! same bytes with any number of processes, also after they were killed.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use minibatch::data::{read_idx, write_idx};
use serde_json::Value;

use crate::SECONDS_10;
use crate::checkpoints::reached;
use crate::mpirun::{Ended, Job, is_alive, signal};
use crate::numbers::Numbers;
use crate::program::Place;

/// Steps in an epoch of [`TRAIN`]: 1,200 samples in batches of 44, the last of which has 12.
const STEPS: usize = 28;
const EPOCHS: usize = 4;
/// Epochs of a run that is ended before its end, in the place of the four.
const LONG: usize = 32;
/// What a run depends on: the random numbers of the order, of dropout and of shifted images, an
/// optimizer's state, a batch that is smaller than the others and has fewer shards; and what it must not
/// depend on: the threads that read ahead.
const TRAIN: &str = "train --data sample --hidden 12,8 --dropout 0.3 --optimizer adamw --seed 5 \
                     --epochs 4 --batch-size 44 --augment shift --workers 2 --validation-split 0.2";
const MPI: &str = "--distributed mpi";
const RESUME: &str = "--checkpoint cp --checkpoint-every 3 --resume --save m.safetensors";

/// [`TRAIN`] for as long as it takes to end it.
fn long_run(backend: &str) -> String {
    let all = TRAIN.replace(&format!("--epochs {EPOCHS}"), &format!("--epochs {LONG}"));
    assert_ne!(all, TRAIN);
    format!("{all} --backend {backend}")
}

impl Place {
    /// Starts `count` processes; `line` is split at spaces.
    fn launch(&self, count: usize, line: &str) -> Job {
        Job::start(&[], &[(count, &self.command(line))])
    }

    /// One process without MPI, which must succeed.
    fn alone(&self, line: &str) {
        let (code, _, err) = self.run(line);
        assert_eq!(code, Some(0), "{line}: {err}");
    }

    /// The epochs of a history, without what the clock says.
    fn epochs(&self, name: &str) -> Vec<Value> {
        let mut json = self.json(name);
        let epochs = json["epochs"].as_array_mut().unwrap();
        for epoch in epochs.iter_mut() {
            let seconds = epoch.as_object_mut().unwrap().remove("seconds");
            assert!(seconds.is_some());
        }
        assert!(!epochs.is_empty());
        epochs.clone()
    }

    fn same(&self, a: &str, b: &str) -> bool {
        self.bytes(a) == self.bytes(b)
    }

    /// What a run says that its first process has sent in a step.
    fn bytes_sent(out: &str) -> f64 {
        let bytes = out.lines().find_map(|line| {
            let (bytes, _) = line.strip_prefix("exchange: ")?.split_once(" bytes sent a step")?;
            bytes.parse().ok()
        });
        bytes.unwrap_or_else(|| panic!("{out}"))
    }
}

/// Trains by one process, then by as many as each of `counts`, and compares.
fn same_with(counts: &[usize], backend: &str) {
    let place = Place::with_sample();
    let train = format!("{TRAIN} --backend {backend} --verbose 2");
    place.alone(&format!("{train} --shards 8 --save whole.safetensors --history whole.json"));
    for &count in counts {
        let line = format!("{train} {MPI} --save m.safetensors --history m.json");
        let Ended { out, err, .. } = place.launch(count, &line).succeed();
        let what = format!("{backend}, {count} processes:\n{out}{err}");
        assert!(place.same("m.safetensors", "whole.safetensors"), "other bytes: {what}");
        assert_eq!(place.epochs("m.json"), place.epochs("whole.json"), "{what}");
        assert_eq!(place.json("m.json")["test"], place.json("whole.json")["test"], "{what}");
        // The first one alone prints.
        for once in ["data: ", "backend: ", "network: ", "Epoch 1/4 ", "Epoch 4/4 ", "test: loss: "]
        {
            let times = out.lines().filter(|line| line.starts_with(once)).count();
            assert_eq!(times, 1, "{once}: {what}");
        }
        let processes = if count == 1 { "1 process".into() } else { format!("{count} processes") };
        let told = format!("distributed: {processes} over MPI, {count} on this machine\n");
        assert!(out.contains(&told), "{what}");
        if count > 1 {
            // 784-12-8-10, weights and biases.
            let gradient = f64::from(4 * (785 * 12 + 13 * 8 + 9 * 10));
            let least = 2.0 * (count as f64 - 1.0) / count as f64 * gradient;
            assert!(Place::bytes_sent(&out) <= 1.1 * least, "{what}");
        }
        // Scores of all test samples, by any number.
        let line = "evaluate --model m.safetensors --data sample --json";
        let (code, alone, err) = place.run(&format!("{line} --backend {backend}"));
        assert_eq!(code, Some(0), "{err}");
        let line = format!("{line} --backend {backend} {MPI}");
        let scores = place.launch(count, &line).succeed().out;
        assert_eq!(scores, alone, "{what}");
        fs::remove_file(place.path("m.safetensors")).unwrap();
    }
}

#[test]
fn any_number_of_processes_trains_the_same_bytes_on_the_cpu() {
    same_with(&[1, 2, 4], "cpu");
}

#[test]
fn any_number_of_processes_trains_the_same_bytes_on_a_gpu() {
    same_with(&[1, 2, 4], "gpu");
}

#[test]
fn predictions_are_shared_out_and_printed_once() {
    let place = Place::with_sample();
    let rows = (0..107).map(|i| format!("{},{},{}\n", i % 11, i * 7 % 13, i % 3));
    fs::write(place.path("table.csv"), format!("a,b,kind\n{}", rows.collect::<String>())).unwrap();
    let table = "train --data table.csv --target kind --backend cpu --epochs 2";
    place.alone(&format!("{table} --save table.safetensors"));
    place.alone("train --data sample --backend cpu --epochs 1 --save images.safetensors");
    let seven = concat!(env!("CARGO_MANIFEST_DIR"), "/data/seven.png");
    let lines = [
        "table.safetensors table.csv".into(),
        "table.safetensors table.csv table.csv --json".into(),
        format!("images.safetensors {seven}"),
        format!("images.safetensors {seven} {seven} {seven} --json"),
    ];
    for backend in ["cpu", "gpu"] {
        for line in &lines {
            let line = format!("predict --backend {backend} --model {line}");
            let (code, alone, err) = place.run(&line);
            assert_eq!(code, Some(0), "{line}: {err}");
            for count in [1, 3] {
                let shared = place.launch(count, &format!("{line} {MPI}")).succeed();
                assert_eq!(shared.out, alone, "{line}, {count} processes: {}", shared.err);
            }
        }
    }
    // Tables that differ, of which one process is done before the other.
    fs::write(place.path("none.csv"), "a,b,kind\n").unwrap();
    let predict = format!("predict --backend cpu {MPI} --model table.safetensors");
    for (other, expected) in [
        ("table.csv missing.csv", "missing.csv"),
        ("table.csv none.csv", ""),
        ("none.csv table.csv", ""),
    ] {
        let first = format!("{predict} table.csv table.csv");
        let err = refused(&place, &first, &format!("{predict} {other}"));
        assert!(err.contains("error: process 1 of 2: "), "{other}: {err}");
        assert!(err.contains(expected), "{other}: {err}");
    }
}

#[test]
#[ignore = "takes minutes; .ci/long runs it"]
fn three_and_eight_processes_too() {
    same_with(&[3, 8], "cpu");
    same_with(&[3, 8], "gpu");
}

/// Starts four processes and ends them by `end`, which is given the launcher and them, as soon as a
/// checkpoint is seen that is made at least `more` steps after the one that is there.
fn end_after(place: &Place, line: &str, more: usize, end: impl FnOnce(u32, &[u32])) -> Ended {
    let least = reached(&place.path("cp"), STEPS) + more;
    let mut job = place.launch(4, line);
    let mut processes = Vec::new();
    while processes.len() < 4 {
        assert!(job.is_running(), "{line}: {:?}", job.end());
        processes = job.processes();
    }
    while reached(&place.path("cp"), STEPS) < least {
        assert!(job.is_running(), "{line}: it was done before it could be ended: {:?}", job.end());
        std::thread::sleep(Duration::from_micros(200));
    }
    end(job.id(), &processes);
    let begun = Instant::now();
    let ended = job.end_within(SECONDS_10);
    assert!(!ended.status.success(), "{line}: {ended:?}");
    while processes.iter().any(|&process| is_alive(process)) {
        assert!(begun.elapsed() < SECONDS_10, "{line}: runs on: {ended:?}");
    }
    assert!(!place.path("m.safetensors").exists(), "{line}: saved: {ended:?}");
    ended
}

/// Goes on with `count` processes, or with one without MPI if that is 0, and compares with the run that
/// never broke.
fn goes_on(place: &Place, train: &str, count: usize) {
    match count {
        0 => place.alone(&format!("{train} --shards 8 {RESUME}")),
        _ => drop(place.launch(count, &format!("{train} {MPI} {RESUME}")).succeed()),
    }
    assert!(place.same("m.safetensors", "whole.safetensors"), "{train}: other bytes with {count}");
    assert!(!place.path("cp").exists(), "{train}: the checkpoint is there after --save");
    fs::remove_file(place.path("m.safetensors")).unwrap();
}

/// Kills one process of four at a random step, and goes on with each of `counts` processes.
fn survives(backend: &str, seed: u64, counts: &[usize]) {
    let mut numbers = Numbers(seed);
    let place = Place::with_sample();
    let train = long_run(backend);
    place.alone(&format!("{train} --shards 8 --save whole.safetensors"));
    for &count in counts {
        let more = 1 + numbers.below(LONG * STEPS / 2);
        let victim = numbers.below(4);
        let line = format!("{train} {MPI} {RESUME}");
        end_after(&place, &line, more, |_, processes| signal(processes[victim], "KILL"));
        goes_on(&place, &train, count);
    }
}

#[test]
fn processes_that_are_killed_go_on_with_the_same_bytes() {
    survives("cpu", 1, &[1, 2, 4, 0]);
    survives("gpu", 2, &[2]);
}

#[test]
#[ignore = "takes minutes; .ci/long runs it"]
fn ten_kills_at_random_steps_leave_no_trace() {
    for backend in ["cpu", "gpu"] {
        survives(backend, 2026, &[1, 2, 4, 1, 2, 4, 0, 3, 8, 4]);
    }
}

#[test]
fn a_signal_ends_all_without_saving() {
    let place = Place::with_sample();
    let train = long_run("cpu");
    place.alone(&format!("{train} --shards 8 --save whole.safetensors"));
    let line = format!("{train} {MPI} {RESUME}");
    let ends: [fn(u32, &[u32]); 4] = [
        |launcher, _| signal(launcher, "TERM"),
        |launcher, _| signal(launcher, "INT"),
        |_, processes| signal(processes[0], "TERM"),
        |_, processes| signal(processes[2], "INT"),
    ];
    for (end, more) in ends.into_iter().zip([5, 60, 70, 50]) {
        // Each from the beginning: a launcher takes its time to end its processes, which go on meanwhile.
        let _ = fs::remove_dir_all(place.path("cp"));
        end_after(&place, &line, more, end);
    }
    goes_on(&place, &train, 2);
}

/// What is printed when the first of two processes gets `first` and the other one `second`: both must be
/// refused.
fn refused(place: &Place, first: &str, second: &str) -> String {
    let [a, b] = [first, second].map(|line| place.command(line));
    let ended = Job::start(&[], &[(1, &a), (1, &b)]).end_within(Duration::from_secs(30));
    assert!(!ended.status.success(), "{second}: {ended:?}");
    assert!(!place.path("m.safetensors").exists() && !ended.out.contains("Epoch"), "{ended:?}");
    ended.err
}

#[test]
fn processes_that_differ_are_refused_with_the_difference() {
    let place = Place::with_sample();
    place.copy_sample("other");
    let images = fs::read_dir(place.path("other")).unwrap().map(|entry| entry.unwrap().path());
    let images = images
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("train-images"))
        .collect::<Vec<PathBuf>>();
    let [images] = images.as_slice() else { panic!("{images:?}") };
    let mut other = read_idx(images).unwrap();
    // One pixel of each image, of which some are in the checksum.
    other.data.chunks_mut(784).for_each(|image| image[400] ^= 1);
    write_idx(images, &other, images.extension().is_some_and(|end| end == "gz")).unwrap();
    let train = format!("train --backend cpu --epochs 1 --save m.safetensors {MPI}");
    let with = |flags: &str| format!("{train} --data sample {flags}");
    let differs = |flags: &str, expected: &str| {
        let err = refused(&place, &with(""), &with(flags));
        let line = format!("error: process 1 of 2: {expected}");
        assert!(err.lines().any(|other| other.starts_with(&line)), "{flags}: {line} in {err}");
    };
    differs("--seed 7", "differs in seed: 7, and process 0 has 0;");
    differs("--shards 4", "differs in shards: 4, and process 0 has 8;");
    differs("--batch-size 64", "differs in batch_size: 64, and process 0 has 32;");
    differs("--steps-per-epoch 5", "differs in steps_per_epoch: 5, and process 0 has all");
    differs("--hidden 64", "differs in model: ");
    let err = refused(&place, &with(""), &format!("{train} --data other"));
    assert!(err.contains("error: process 1 of 2: differs in data: checksum"), "{err}");
    // What goes wrong in one of them before they meet.
    let err = refused(&place, &with(""), &format!("{train} --data missing"));
    assert!(err.contains("error: process 1 of 2: --data: cannot read missing"), "{err}");
    let err = refused(&place, &format!("{train} --data missing"), &with(""));
    assert!(err.contains("error: process 0 of 2: --data: cannot read missing"), "{err}");
}

#[test]
fn what_cannot_be_shared_out_is_refused() {
    let place = Place::with_sample();
    let refused = |count: usize, flags: &str| {
        let line = format!("train --data sample --backend cpu --save m.safetensors {flags}");
        let ended = place.launch(count, &line).end_within(Duration::from_secs(30));
        assert!(!ended.status.success() && !place.path("m.safetensors").exists(), "{ended:?}");
        ended.err
    };
    let err = refused(3, "--distributed mpi --shards 2");
    assert!(err.contains("2 cannot be shared out among 3 processes"), "{err}");
    let err = refused(2, "--distributed mpi --micro-batch 8");
    let told = ["'--distributed <HOW>'", "cannot be used with", "'--micro-batch <ROWS>'"];
    assert!(told.iter().all(|part| err.contains(part)), "{err}");
    // A checkpoint of a run with another number of shards.
    let line = "train --data sample --backend cpu --epochs 1 --checkpoint cp";
    place.alone(&format!("{line} --shards 4"));
    let line = format!("{line} --resume --distributed mpi");
    let ended = place.launch(2, &line).end_within(Duration::from_secs(30));
    assert!(!ended.status.success(), "{ended:?}");
    let expected = "error: process 0 of 2: --checkpoint cp: ";
    let told = ended.err.lines().find(|line| line.starts_with(expected));
    let told = told.unwrap_or_else(|| panic!("{ended:?}"));
    assert!(told.contains("shards: the checkpoint has 4, this run 8"), "{told}");
}

#[test]
#[ignore = "takes a minute, and needs MNIST; .ci/long runs it"]
fn mnist_has_the_same_history_with_four_processes() {
    let data = env::var("MNIST_DIR").expect("MNIST_DIR must name the directory of MNIST's files");
    let place = Place::with_sample();
    let train = format!("train --data {data} --backend cpu --batch-size 128 --epochs 5");
    place.alone(&format!("{train} --shards 8 --history one.json --save one.safetensors"));
    let line = format!("{train} {MPI} --history four.json --save four.safetensors");
    let Ended { out, .. } = place.launch(4, &line).succeed();
    assert_eq!(place.epochs("four.json"), place.epochs("one.json"), "{out}");
    assert_eq!(place.json("four.json")["test"], place.json("one.json")["test"], "{out}");
    assert!(place.same("four.safetensors", "one.safetensors"), "{out}");
    println!("{out}");
}
