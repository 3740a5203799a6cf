//! `mnist-gpu train --checkpoint DIR --resume`, run, killed and run again as a user would.
#![cfg(all(feature = "cli", unix))]

#[path = "support/checkpoints.rs"]
mod checkpoints;
#[path = "support/numbers.rs"]
mod numbers;
#[path = "support/program.rs"]
mod program;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use checkpoints::steps;
use minibatch::data::{IdxArray, read_idx, write_idx};
use numbers::Numbers;
use program::{Place, told};

/// Steps in an epoch of [`TRAIN`]: 1,200 samples in batches of 32.
const STEPS: usize = 38;
/// Steps in all.
const ALL: usize = 10 * STEPS;
/// What a run depends on: the random numbers of the order, of dropout and of shifted images, an
/// optimizer's state; and what it must not depend on: the threads that read ahead.
const TRAIN: &str = "train --data sample --hidden 12,8 --dropout 0.3 --optimizer adamw --seed 5 \
                     --epochs 10 --augment shift --workers 2 --micro-batch 20 --validation-split 0.2";
/// In place of the validation in [`TRAIN`]: epochs of as many steps, which end anywhere in the file.
const STREAM: &str = "--stream --shuffle-buffer 200 --steps-per-epoch 38";
const RESUME: &str = "--checkpoint cp --resume";

impl Place {
    /// What it prints on standard output and on standard error; it must succeed.
    fn succeed(&self, line: &str) -> (String, String) {
        let (code, out, err) = self.run(line);
        assert_eq!(code, Some(0), "{line}: {err}");
        (out, err)
    }

    /// The message; it must fail with one line.
    fn refused(&self, line: &str) -> String {
        let (code, _, err) = self.run(line);
        assert_eq!((code, err.lines().count()), (Some(2), 1), "{line}: {err}");
        err
    }

    /// The checkpoints, from the first to the last.
    fn checkpoints(&self) -> Vec<PathBuf> {
        checkpoints::checkpoints(&self.path("cp"), STEPS)
    }

    /// Steps behind the last checkpoint.
    fn reached(&self) -> usize {
        checkpoints::reached(&self.path("cp"), STEPS)
    }

    /// Starts the program and sends it SIGKILL as soon as a checkpoint is seen that is made after
    /// at least `least` steps. False if it was done before.
    fn kill_after(&self, line: &str, least: usize) -> bool {
        let mut child = self.start(line);
        let begun = Instant::now();
        while self.reached() < least {
            if child.try_wait().unwrap().is_some() {
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(120), "{line}: no checkpoint");
            std::thread::sleep(Duration::from_micros(200));
        }
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        let (status, (_, _, err)) = (output.status, told(output));
        assert!(status.success() || status.signal() == Some(9), "{line}: {err}");
        status.signal() == Some(9)
    }
}

/// Kills a run again and again, each time after `kills` more steps or so, and lets it end.
fn survives(place: &Place, train: &str, backend: &str, every: &str, kills: &[usize]) {
    let whole = format!("{train} --backend {backend} --save whole.safetensors");
    if !place.path("whole.safetensors").exists() {
        place.succeed(&whole);
    }
    let line = format!(
        "{train} --backend {backend} {RESUME} --checkpoint-every {every} --save m.safetensors"
    );
    let mut killed = 0;
    for more in kills {
        let least = place.reached() + more;
        if least < ALL && place.kill_after(&line, least) {
            killed += 1;
            assert!(!place.path("m.safetensors").exists());
            assert!(!place.checkpoints().is_empty(), "{line}: killed, and no checkpoint");
        }
    }
    assert!(killed > 0, "{line}: it was done before it could be killed");
    place.succeed(&line);
    let same = place.bytes("m.safetensors") == place.bytes("whole.safetensors");
    assert!(same, "{line}: other bytes after it was killed {killed} times");
    assert!(!place.path("cp").exists(), "{line}: the checkpoint is there after --save");
    fs::remove_file(place.path("m.safetensors")).unwrap();
}

#[test]
fn a_run_that_is_killed_at_any_step_goes_on_with_the_same_bits() {
    let mut numbers = Numbers(9);
    for backend in ["cpu", "gpu"] {
        let place = Place::with_sample();
        let kills: Vec<usize> = (0..3).map(|_| 1 + numbers.below(ALL / 8)).collect();
        survives(&place, TRAIN, backend, "3", &kills);
        survives(&place, TRAIN, backend, "0.002s", &[1 + numbers.below(ALL / 4)]);
        let place = Place::with_sample();
        let stream = TRAIN.replace("--validation-split 0.2", STREAM);
        survives(&place, &stream, backend, "3", &[1 + numbers.below(ALL / 2)]);
    }
}

#[test]
#[ignore = "takes minutes; .ci/long runs it"]
fn twenty_kills_at_random_steps_leave_no_trace() {
    let mut numbers = Numbers(2024);
    for backend in ["cpu", "gpu"] {
        for train in [TRAIN.to_owned(), TRAIN.replace("--validation-split 0.2", STREAM)] {
            let place = Place::with_sample();
            for _ in 0..20 {
                let every = ["1", "2", "5", "0.001s"][numbers.below(4)];
                survives(&place, &train, backend, every, &[1 + numbers.below(ALL / 2)]);
            }
        }
    }
}

#[test]
fn an_empty_directory_starts_afresh_and_a_filled_one_wants_resume() {
    let place = Place::with_sample();
    let train = format!("{TRAIN} --backend cpu");
    place.succeed(&format!("{train} --save whole.safetensors --history whole.json"));
    let (out, _) = place.succeed(&format!("{train} {RESUME}"));
    assert!(out.contains("\ncheckpoint: none in cp yet\n"), "{out}");
    assert!(out.ends_with("checkpoint kept in cp; --resume goes on from it\n"), "{out}");
    let kept = place.checkpoints();
    assert_eq!(
        kept.iter().filter_map(|path| steps(path, STEPS)).collect::<Vec<_>>(),
        [ALL - STEPS, ALL]
    );
    assert!(!place.path("cp/lock").exists());

    let message = place.refused(&format!("{train} --checkpoint cp --save m.safetensors"));
    let told = "error: --checkpoint cp: holds the checkpoint of a run; give --resume to go on from \
                it, another directory, or remove it\n";
    assert_eq!(message, told);
    assert_eq!(place.checkpoints(), kept);

    // All epochs are done: only what is written is missing.
    let (out, _) =
        place.succeed(&format!("{train} {RESUME} --save m.safetensors --history h.json"));
    assert!(out.contains("checkpoint: going on after epoch 10, cp/after-epoch-10.safe"), "{out}");
    assert!(!out.contains("\nEpoch "), "{out}");
    assert!(place.bytes("m.safetensors") == place.bytes("whole.safetensors"));
    assert!(!place.path("cp").exists());
    let [own, whole] = ["h.json", "whole.json"].map(|name| place.json(name));
    assert_eq!(own["test"], whole["test"]);
    assert_eq!(own["steps_per_epoch"], whole["steps_per_epoch"]);

    // More epochs go on from there, and fewer are refused.
    place.succeed(&format!("{train} --epochs 3 --checkpoint cp").replace("--epochs 10", ""));
    let message = place.refused(&format!("{train} {RESUME} --epochs 2").replace("--epochs 10", ""));
    assert!(
        message.contains("--epochs 2: cp/after-epoch-3.safetensors is in epoch 3"),
        "{message}"
    );
    place.succeed(&format!("{train} {RESUME} --save m.safetensors"));
    assert!(place.bytes("m.safetensors") == place.bytes("whole.safetensors"));

    for flags in ["--resume", "--checkpoint-every 5"] {
        assert!(place.refused(&format!("{train} {flags}")).contains("--checkpoint <DIR>"));
    }
    for every in ["0", "0s", "-1", "5m", "s", "infs", "1e99s"] {
        let line = format!("{train} {RESUME} --checkpoint-every={every}");
        assert!(place.refused(&line).contains("give a number of steps, as 500, or of seconds"));
    }
    for name in ["cp/lock", "cp/after-epoch-9.safetensors"] {
        fs::create_dir_all(place.path("cp")).unwrap();
        let message = place.refused(&format!("{train} {RESUME} --save {name}"));
        assert!(message.contains("is a name of the checkpoint's own files"), "{message}");
    }
}

#[test]
fn a_checkpoint_of_another_run_is_refused_with_the_difference() {
    let place = Place::with_sample();
    let train = "train --data sample --hidden 8 --epochs 2 --steps-per-epoch 5 --backend cpu";
    place.succeed(&format!("{train} --checkpoint cp"));
    let kept = place.checkpoints();
    // The same digits, but for one pixel of the last; and 1,400 of them.
    for (name, samples) in [("pixel", 1500), ("fewer", 1400)] {
        place.copy_sample(name);
        let file = |part: &str| place.path(name).join(format!("train-{part}-ubyte.gz"));
        let mut images = read_idx(&file("images-idx3")).unwrap();
        let labels = read_idx(&file("labels-idx1")).unwrap();
        (images.shape[0], images.data) = (samples, images.data[..samples * 784].to_vec());
        // 1,024 of 1,500 are looked at, by place: the first is one of them.
        images.data[400] ^= 1;
        write_idx(&file("images-idx3"), &images, true).unwrap();
        let labels = IdxArray { shape: vec![samples], data: labels.data[..samples].to_vec() };
        write_idx(&file("labels-idx1"), &labels, true).unwrap();
    }
    for (flags, difference) in [
        ("--batch-size 64", "batch size: the checkpoint has 32, this run 64"),
        ("--hidden 9", "network: the checkpoint has 784-8-10, this run 784-9-10"),
        ("--optimizer sgd", "optimizer: the checkpoint has adam, this run sgd"),
        ("--optimizer sgd", "learning rate: the checkpoint has 0.001, this run 0.01"),
        ("--learning-rate 0.002", "learning rate: the checkpoint has 0.001, this run 0.002"),
        ("--dropout 0.25", "dropout: the checkpoint has 0, this run 0.25"),
        ("--seed 1", "seed: the checkpoint has 0, this run 1"),
        ("--no-shuffle", "shuffling: the checkpoint has on, this run off"),
        (
            "--stream",
            "shuffling: the checkpoint has on, this run streamed through a shuffle buffer",
        ),
        ("--augment shift", "augmentation: the checkpoint has none, this run shift"),
        ("--validation-split 0.1", "validation split: the checkpoint has 0, this run 0.1"),
        ("--steps-per-epoch 6", "steps per epoch: the checkpoint has 5, this run 6"),
        ("--data pixel", "checksum of the data: the checkpoint has "),
        ("--data fewer", "training samples: the checkpoint has 1500, this run 1400"),
    ] {
        // A flag may be given once only.
        let (flag, _) = flags.split_once(' ').unwrap_or((flags, ""));
        let words: Vec<&str> = train.split(' ').collect();
        let place_of = words.iter().position(|word| *word == flag);
        let left = match place_of {
            Some(at) => [&words[..at], &words[at + 2..]].concat().join(" "),
            None => train.to_owned(),
        };
        let message = place.refused(&format!("{left} {flags} {RESUME} --save m.safetensors"));
        let begin = "error: --checkpoint cp: cp/after-epoch-2.safetensors is of another run: ";
        assert!(message.starts_with(begin) && message.contains(difference), "{flags}: {message}");
        assert_eq!(place.checkpoints(), kept, "{flags}");
        assert!(!place.path("m.safetensors").exists());
    }
    // What changes nothing in what is learned may be another.
    place.succeed(&format!(
        "{train} {RESUME} --checkpoint-every 2 --verbose 0 --history h.json --save m.safetensors \
         --workers 2 --queue 3"
    ));
}

#[test]
fn a_damaged_checkpoint_costs_one_interval_and_none_whole_is_an_error() {
    let place = Place::with_sample();
    let train = format!("{TRAIN} --backend cpu");
    place.succeed(&format!("{train} --save whole.safetensors"));
    let line = format!("{train} {RESUME} --checkpoint-every 5 --save m.safetensors");
    // One bit in the weights, one in the text, and a file that ends too soon.
    type Damage = fn(&mut Vec<u8>);
    let damages: [Damage; 4] = [
        |bytes| *bytes.last_mut().unwrap() ^= 1,
        |bytes| {
            let text = b"learning_rate";
            let place = bytes.windows(text.len()).position(|window| window == text).unwrap();
            // The rate's second figure: "learning_rate\\":0.001.
            bytes[place + text.len() + 5] ^= 2;
        },
        |bytes| bytes.truncate(bytes.len() / 2),
        Vec::clear,
    ];
    for damage in damages {
        assert!(place.kill_after(&line, 2 * STEPS), "it was done before it could be killed");
        // Three, if it was killed between writing one and removing the first.
        let kept = place.checkpoints();
        let [.., older, newest] = &kept[..] else { panic!("{kept:?}") };
        let mut bytes = fs::read(newest).unwrap();
        damage(&mut bytes);
        fs::write(newest, bytes).unwrap();
        let (_, err) = place.succeed(&line);
        assert_eq!(err.lines().count(), 1, "{err}");
        let [newest, older] =
            [newest, older].map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
        assert!(err.starts_with(&format!("checkpoint: cp/{newest}: ")), "{err}");
        assert!(err.ends_with(&format!("; going on from the one before, cp/{older}\n")), "{err}");
        assert!(place.bytes("m.safetensors") == place.bytes("whole.safetensors"), "{err}");
        fs::remove_file(place.path("m.safetensors")).unwrap();
    }
    assert!(place.kill_after(&line, STEPS), "it was done before it could be killed");
    let all = place.checkpoints();
    assert!((2..=3).contains(&all.len()), "{all:?}");
    for path in &all {
        fs::write(path, "damaged").unwrap();
    }
    let message = place.refused(&line);
    for path in &all {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(message.contains(&format!("cp/{name}: not a whole safetensors file")), "{message}");
    }
    assert!(message.contains("no backup is whole: remove them to begin anew"), "{message}");
    assert_eq!(place.checkpoints(), all);
}

#[test]
fn two_processes_never_train_into_one_directory() {
    let place = Place::with_sample();
    let line = format!("{TRAIN} --backend cpu {RESUME}").replace("--epochs 10", "--epochs 100000");
    let mut first = place.start(&line);
    let begun = Instant::now();
    while place.reached() < 2 * STEPS {
        assert!(begun.elapsed() < Duration::from_secs(60), "no checkpoint");
        std::thread::sleep(Duration::from_millis(1));
    }
    let told = "error: --checkpoint cp: another process is training with this directory; wait for \
                its end, or give another directory\n";
    assert_eq!(place.refused(&line), told);
    assert!(first.try_wait().unwrap().is_none(), "the first one has ended too");
    first.kill().unwrap();
    first.wait().unwrap();
    // The lock's file is still there, the lock is not.
    assert!(place.path("cp/lock").exists());
    let message = place.refused(&line.replace("100000", "1"));
    assert!(message.contains("is in epoch") && message.contains("give at least"), "{message}");
}

#[test]
fn after_ctrl_c_the_checkpoint_is_of_the_step_that_was_the_last() {
    let place = Place::with_sample();
    let line = |epochs: usize| {
        let line = format!("{TRAIN} --backend cpu --save m.safetensors");
        line.replace("--epochs 10", &format!("--epochs {epochs}"))
    };
    let mut child = place.start(&format!("{} {RESUME}", line(100_000)));
    let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(out.any(|line| line.unwrap().starts_with("Epoch ")), "it ended by itself");
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let rest: Vec<String> = out.map(Result::unwrap).collect();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let end = "checkpoint kept in cp; --resume goes on from it";
    assert_eq!(rest.last().map(String::as_str), Some(end), "{rest:?}");
    assert!(place.path("m.safetensors").exists(), "what was learned is not saved");

    let reached = place.reached();
    let stopped = rest.iter().find_map(|line| line.split_once("(stopped at step "));
    if let Some((_, step)) = stopped {
        let step: usize = step.split_once('/').unwrap().0.parse().unwrap();
        assert_eq!(reached % STEPS, step, "{rest:?}");
    }
    let epochs = reached / STEPS + 1;
    place.succeed(&format!("{} {RESUME}", line(epochs)));
    let resumed = place.bytes("m.safetensors");
    place.succeed(&line(epochs));
    assert!(resumed == place.bytes("m.safetensors"), "other bytes after step {reached}");
}

#[test]
fn the_history_is_of_the_whole_run_and_says_which_epoch_was_broken() {
    let place = Place::with_sample();
    let train = format!("{TRAIN} --backend cpu");
    place.succeed(&format!("{train} --history whole.json"));
    // Of the ends of epochs, only that of the seventh is a multiple of 7.
    let line = format!("{train} {RESUME} --checkpoint-every 7");
    assert!(place.kill_after(&line, 2 * STEPS + 4), "it was done before it could be killed");
    let reached = place.reached();
    let (out, _) = place.succeed(&format!("{line} --history h.json"));
    let [whole, own] = ["whole.json", "h.json"].map(|name| place.json(name)["epochs"].clone());
    let [whole, own] = [whole, own].map(|epochs| epochs.as_array().unwrap().clone());
    let (broken, after) = (reached / STEPS, reached % STEPS);
    assert!(after > 0, "the checkpoint is of an epoch's end");
    for (index, (whole, own)) in whole.iter().zip(&own).enumerate() {
        let [mut whole, mut own] = [whole, own].map(|epoch| epoch.as_object().unwrap().clone());
        for epoch in [&mut whole, &mut own] {
            epoch.remove("seconds");
        }
        if index == broken {
            assert_eq!(own.remove("resumed_after_step"), Some(after.into()));
            // Its scores are of the steps that are left; what it ends with is the same.
            for name in ["loss", "accuracy"] {
                assert_ne!(own.remove(name), whole.remove(name), "{name}");
            }
        }
        assert_eq!(own, whole, "epoch {}", index + 1);
    }
    assert_eq!((whole.len(), own.len()), (10, 10));
    let line = out.lines().find(|line| line.starts_with(&format!("Epoch {}/10 ", broken + 1)));
    let told = format!("(from step {}/{STEPS} on)", after + 1);
    assert!(line.is_some_and(|line| line.ends_with(&told)), "{out}");

    place.succeed(&format!("{train} {RESUME} --history h.csv"));
    let csv = String::from_utf8(place.bytes("h.csv")).unwrap();
    let mut lines = csv.lines();
    assert!(lines.next().unwrap().ends_with(",learning_rate,seconds,resumed_after_step"), "{csv}");
    for (index, line) in lines.enumerate() {
        let told = if index == broken { format!(",{after}") } else { ",".to_owned() };
        assert!(line.ends_with(&told), "{csv}");
    }
}
