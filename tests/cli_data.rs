//! The program on data of each kind and size, whole and damaged, run as a user runs it.
#![cfg(feature = "cli")]

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use minibatch::data::{IdxArray, read_idx, write_idx};
use serde_json::Value;
use tempfile::TempDir;

/// Images of 28x28 in more than is kept in memory.
const MANY: usize = 350_000;

/// A directory of its own in which the program runs.
struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        Place { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The digits of the sample, 1500 + 500, plain or compressed.
    fn write_sample(&self, name: &str, gzip: bool) {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/digits-sample");
        fs::create_dir(self.path(name)).unwrap();
        for file in
            ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"]
        {
            let array = read_idx(&from.join(format!("{file}-ubyte.gz"))).unwrap();
            let extension = if gzip { ".gz" } else { "" };
            let to = self.path(name).join(format!("{file}-ubyte{extension}"));
            write_idx(&to, &array, gzip).unwrap();
        }
    }

    /// Black images, more than are kept in memory; on most file systems they take no room.
    fn write_many(&self, name: &str, gzip: bool) {
        self.write_sample(name, false);
        let images = self.path(name).join("train-images-idx3-ubyte");
        let sizes = [MANY as u32, 28, 28];
        let header = [&[0, 0, 8, 3][..], &sizes.map(u32::to_be_bytes).concat()].concat();
        let bytes = header.len() + MANY * 784;
        if gzip {
            fs::remove_file(&images).unwrap();
            let file = File::create(self.path(name).join("train-images-idx3-ubyte.gz")).unwrap();
            let mut encoder = GzEncoder::new(file, Compression::fast());
            encoder.write_all(&header).unwrap();
            let zeros = vec![0; 784 * 1000];
            (0..MANY / 1000).for_each(|_| encoder.write_all(&zeros).unwrap());
            encoder.finish().unwrap();
        } else {
            let mut file = File::create(&images).unwrap();
            file.write_all(&header).unwrap();
            file.set_len(bytes as u64).unwrap();
        }
        let data = (0..MANY).map(|image| (image % 10) as u8).collect();
        let labels = self.path(name).join("train-labels-idx1-ubyte");
        write_idx(&labels, &IdxArray { shape: vec![MANY], data }, false).unwrap();
    }

    /// `line` is split at spaces.
    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mnist-gpu"));
        command
            .args(line.split_whitespace())
            .current_dir(self.directory.path())
            .env("HOME", self.directory.path())
            .env_remove("MNIST_DIR")
            .env_remove("XDG_RUNTIME_DIR")
            .stdin(Stdio::null());
        command
    }

    /// What it prints; it must succeed.
    fn succeed(&self, line: &str) -> String {
        let (code, out, err) = told(self.command(line).output().unwrap());
        assert_eq!(code, Some(0), "{line}: {err}");
        out
    }

    fn succeed_json(&self, line: &str) -> Value {
        serde_json::from_str(&self.succeed(line)).unwrap()
    }

    /// The message; it must fail with one line and code 2.
    fn refused(&self, line: &str) -> String {
        failed(line, self.command(line).output().unwrap())
    }

    /// The model that training leaves.
    fn trained(&self, line: &str) -> Vec<u8> {
        self.succeed(&format!("train --backend cpu {line} --save m.safetensors"));
        self.bytes("m.safetensors")
    }

    /// The name of the only checkpoint.
    fn checkpoint(&self, directory: &str) -> String {
        assert_eq!(self.checkpoints(directory), 1);
        let entries = fs::read_dir(self.path(directory)).unwrap().flatten();
        let mut names = entries.map(|entry| entry.file_name().into_string().unwrap());
        names.find(|name| name.starts_with("after-epoch-")).unwrap()
    }

    /// Files of checkpoints.
    fn checkpoints(&self, directory: &str) -> usize {
        let entries = fs::read_dir(self.path(directory)).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("after-epoch-") && !name.contains("tmp")).count()
    }
}

fn told(output: Output) -> (Option<i32>, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn failed(line: &str, output: Output) -> String {
    let (code, out, err) = told(output);
    assert_eq!((code, err.lines().count()), (Some(2), 1), "{line}: {out}{err}");
    assert!(err.starts_with("error: "), "{line}: {err}");
    err
}

#[test]
fn neither_workers_nor_the_queue_nor_gzip_change_what_is_learned() {
    let place = Place::new();
    place.write_sample("plain", false);
    place.write_sample("gzip", true);
    let line = "--hidden 8 --epochs 2 --augment shift --dropout 0.2";
    for stream in ["", "--stream --shuffle-buffer 300"] {
        let first = place.trained(&format!("--data plain {line} {stream}"));
        for flags in ["--workers 0", "--workers 1 --queue 1", "--workers 3 --queue 4"] {
            for data in ["plain", "gzip"] {
                let own = place.trained(&format!("--data {data} {line} {stream} {flags}"));
                assert!(own == first, "{data} {stream} {flags}");
            }
        }
    }
    // A stream without a buffer has the order of the file.
    let in_order = place.trained("--data plain --hidden 8 --epochs 2 --no-shuffle");
    let stream = "--data plain --hidden 8 --epochs 2 --stream";
    assert!(in_order == place.trained(&format!("{stream} --shuffle-buffer 0")));
    assert!(in_order != place.trained(stream));
}

#[test]
fn only_training_images_are_shifted() {
    let place = Place::new();
    place.write_sample("plain", false);
    // Too small a step to change a weight.
    let line = "train --backend cpu --data plain --hidden 8 --epochs 2 --validation-split 0.2 \
                --optimizer sgd --learning-rate 1e-30 --history h.json";
    let losses = |flags: &str| {
        place.succeed(&format!("{line} {flags}"));
        let history: Value = serde_json::from_slice(&place.bytes("h.json")).unwrap();
        let epoch = |number: usize| history["epochs"][number].clone();
        let held_out = [epoch(0)["val_loss"].clone(), history["test"]["loss"].clone()];
        ([epoch(0)["loss"].clone(), epoch(1)["loss"].clone()], held_out)
    };
    let (plain, plain_held_out) = losses("");
    let (shifted, held_out) = losses("--augment shift");
    assert_eq!(held_out, plain_held_out);
    assert_ne!(shifted[0], plain[0]);
    assert_ne!(shifted[0], shifted[1], "both epochs have the same shifts");
}

#[test]
fn large_files_are_read_by_position_and_compressed_ones_streamed() {
    let place = Place::new();
    for (name, gzip, how) in [
        ("plain", false, "read by position, test set in memory"),
        ("gzip", true, "streamed through a shuffle buffer of 16384 samples, test set in memory"),
    ] {
        place.write_many(name, gzip);
        let line = format!("--data {name} --backend cpu --hidden 4 --epochs 2 --steps-per-epoch 3");
        let out = place.succeed(&line);
        let note = format!("data: {name} (350000 + 500), named by --data; {how}\n");
        assert!(out.starts_with(&note), "{out}");
        assert!(out.contains("test: loss: "), "{out}");
    }
    let out = place.succeed(
        "--data plain --stream --shuffle-buffer 9 --backend cpu --hidden 4 --epochs 1 \
         --steps-per-epoch 3 --save m.safetensors",
    );
    let note = "data: plain (350000 + 500), named by --data; streamed through a shuffle buffer of 9 \
                samples\n";
    assert!(out.starts_with(note), "{out}");
    let message = place.refused("--data plain --stream --validation-split 0.1");
    assert!(message.contains("--validation-split 0.1") && message.contains("leave out --stream"));
    let message = place.refused("--data gzip --validation-split 0.1");
    assert!(message.contains("unpack the .gz files"), "{message}");
    let message = place.refused("--data plain --shuffle-buffer 9");
    assert!(message.contains("--shuffle-buffer") && message.contains("give --stream"), "{message}");
}

#[test]
fn damaged_files_stop_a_run_and_the_checkpoint_keeps_what_was_learned() {
    let place = Place::new();
    place.write_sample("cut", true);
    let line = "--data cut --stream --shuffle-buffer 50 --hidden 8 --epochs 3";
    let whole = place.trained(line);
    let images = place.path("cut/train-images-idx3-ubyte.gz");
    let bytes = fs::read(&images).unwrap();
    for workers in [0, 2] {
        fs::write(&images, &bytes[..bytes.len() * 4 / 5]).unwrap();
        let line = format!("{line} --workers {workers} --checkpoint cp --resume");
        let message = place.refused(&format!("{line} --backend cpu"));
        assert!(message.contains("cut/train-images-idx3-ubyte.gz: damaged gzip"), "{message}");
        // No epoch has ended: it is of the last step before the damage.
        let name = place.checkpoint("cp");
        let step =
            name.strip_prefix("after-epoch-0-step-").and_then(|name| name.split_once("-of-"));
        let step: usize = step.map(|(step, _)| step.parse().unwrap()).unwrap();
        assert!((30..40).contains(&step), "{name}");
        fs::write(&images, &bytes).unwrap();
        assert!(place.trained(&line) == whole, "{line}");
    }

    place.write_sample("short", false);
    let images = place.path("short/train-images-idx3-ubyte");
    let bytes = fs::read(&images).unwrap();
    fs::write(&images, &bytes[..bytes.len() - 100]).unwrap();
    let message = place.refused("--data short --stream");
    assert!(message.contains("short/train-images-idx3-ubyte: truncated"), "{message}");

    place.write_sample("label", false);
    let labels = place.path("label/t10k-labels-idx1-ubyte");
    let mut bytes = fs::read(&labels).unwrap();
    bytes[8 + 3] = 10;
    fs::write(&labels, bytes).unwrap();
    let message = place.refused("--data label --stream");
    assert!(
        message.contains("t10k-labels-idx1-ubyte") && message.contains("sample 3 has the label 10")
    );
}

#[test]
fn a_file_that_shrinks_while_it_is_read_ends_the_run_with_its_name() {
    let place = Place::new();
    place.write_sample("small", false);
    place.write_many("many", false);
    let table: String = (0..2000).map(|row| format!("{row},{}\n", row % 2)).collect();
    place.write("table.csv", &table);
    place.write("test.csv", "1,1\n2,0\n");
    let images = "train-images-idx3-ubyte";
    for (name, file, flags) in [
        ("small", format!("small/{images}"), "--stream"),
        ("many", format!("many/{images}"), "--steps-per-epoch 20"),
        ("table.csv", "table.csv".into(), "--target 1 --test test.csv --stream"),
    ] {
        let line = format!(
            "--data {name} {flags} --hidden 4 --backend cpu --epochs 100000 --checkpoint cp-{name} \
             --checkpoint-every 3"
        );
        let mut command = place.command(&line);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let begun = Instant::now();
        while place.checkpoints(&format!("cp-{name}")) == 0 {
            assert!(begun.elapsed() < Duration::from_secs(60), "{line}: no checkpoint");
            std::thread::sleep(Duration::from_millis(2));
        }
        let opened = File::options().write(true).open(place.path(&file)).unwrap();
        opened.set_len(opened.metadata().unwrap().len() / 2).unwrap();
        let message = failed(&line, child.wait_with_output().unwrap());
        let told = [format!("{file}, sample "), format!("{file}, line "), format!("{file}: ")];
        assert!(told.iter().any(|told| message.contains(told)), "{message}");
        assert!(place.checkpoints(&format!("cp-{name}")) > 0);
    }
}

/// Three kinds of flowers, told by two of three numbers.
fn flowers(rows: usize) -> String {
    let mut text = String::from("petal,sepal,colour,noise,kind\n");
    for row in 0..rows {
        let kind = row % 3;
        let (petal, sepal) = [(1.0, 3.0), (4.0, 2.0), (6.0, 5.0)][kind];
        let wobble = ((row * 37) % 11) as f64 / 20.0;
        let colour = ["red", "?", "blue"][row % 5 % 3];
        let noise = if row % 7 == 0 { "NA".into() } else { format!("{}", row * 7919 % 101) };
        let name = ["setosa", "versicolor", "virginica"][kind];
        text += &format!("{},{},{colour},{noise},{name}\n", petal + wobble, sepal - wobble);
    }
    text
}

#[test]
fn a_class_is_learned_from_a_table_evaluated_and_predicted() {
    let place = Place::new();
    place.write("flowers.csv", &flowers(300));
    let line = "train --data flowers.csv --target kind --hidden 16 --epochs 40 --backend cpu";
    let out = place.succeed(&format!("{line} --save m.safetensors --history h.json"));
    let mut lines = out.lines();
    let note = "data: flowers.csv (240 + 60), named by --data; a fifth of the rows is held out for \
                the test";
    assert_eq!(lines.next(), Some(note));
    let columns = "columns: 3 numbers: petal, sepal, noise; 1 category: colour (3); 163 values are \
                   missing: numbers count as their column's mean; target kind: 3 classes, by \
                   softmax and cross-entropy";
    assert_eq!(lines.next(), Some(columns));
    let history: Value = serde_json::from_slice(&place.bytes("h.json")).unwrap();
    assert!(history["test"]["accuracy"].as_f64().unwrap() > 0.95, "{history}");

    // Of its own table, the rows that it has not seen; of another one, all.
    let evaluate = "evaluate --model m.safetensors --backend cpu";
    let report = place.succeed_json(&format!("{evaluate} --data flowers.csv --json"));
    assert_eq!(report["samples"], 60);
    assert_eq!(report["loss"], history["test"]["loss"]);
    place.write("others.csv", &flowers(90));
    let report = place.succeed_json(&format!("{evaluate} --data others.csv --json"));
    assert_eq!(report["samples"], 90);

    // Without the target, and where nobody knows it.
    place.write("new.csv", "petal,sepal,colour,noise\n1.1,2.9,red,NA\n6.2,4.8,?,50\n");
    place.write("open.csv", "petal,sepal,colour,noise,kind\n4.1,1.9,blue,3,?\n");
    let out = place.succeed("predict --model m.safetensors new.csv open.csv --backend cpu");
    let begins =
        ["new.csv, row 1: setosa (", "new.csv, row 2: virginica (", "open.csv, row 1: vers"];
    assert_eq!(out.lines().count(), 3);
    assert!(out.lines().zip(begins).all(|(line, begin)| line.starts_with(begin)), "{out}");
    let rows = place.succeed_json("predict --model m.safetensors new.csv --json --backend cpu");
    assert_eq!(rows[1]["class"], "virginica");
    let all: f64 =
        rows[1]["probabilities"].as_array().unwrap().iter().map(|p| p.as_f64().unwrap()).sum();
    assert!((all - 1.0).abs() < 1e-5, "{rows}");

    // Named test data, streamed or not.
    let line = "train --data flowers.csv --target kind --test others.csv --epochs 2 --backend cpu";
    assert!(place.succeed(line).starts_with("data: flowers.csv (300 + 90), named by --data\n"));
    let out = place.succeed(&format!("{line} --stream --shuffle-buffer 50"));
    assert!(out.contains("; streamed through a shuffle buffer of 50 samples\n"), "{out}");

    for (line, told) in [
        ("evaluate --model m.safetensors", "was trained on a table, to tell kind"),
        ("evaluate --model m.safetensors --data new.csv", "new.csv: has another header"),
        ("predict --model m.safetensors h.json", "h.json"),
    ] {
        assert!(place.refused(line).contains(told), "{line}: {}", place.refused(line));
    }
}

#[test]
fn a_number_is_learned_from_a_table_in_its_own_units() {
    let place = Place::new();
    let row = |i: usize| {
        let (x, y) = ((i * 37 % 101) as f64, (i * 53 % 89) as f64);
        format!("{x},{y},{:.1}\n", 200_000.0 + 1000.0 * x - 700.0 * y)
    };
    place.write("houses.csv", &(0..600).map(row).collect::<String>());
    let line = "train --data houses.csv --target 2 --hidden 16 --epochs 40 --backend cpu";
    let out = place.succeed(&format!("{line} --save m.safetensors --history h.json"));
    let columns = "\ncolumns: 2 numbers: 0, 1; target 2: a number, by mean squared error\n";
    assert!(out.contains(columns), "{out}");
    assert!(out.lines().filter(|line| line.contains(" - mae: ")).count() == 41, "{out}");
    let history: Value = serde_json::from_slice(&place.bytes("h.json")).unwrap();
    // The deviation of the prices is 35,000.
    assert!(history["test"]["mae"].as_f64().unwrap() < 4000.0, "{history}");
    let line = "evaluate --model m.safetensors --data houses.csv --json --backend cpu";
    assert_eq!(place.succeed_json(line)["mae"], history["test"]["mae"]);
    let out = place.succeed("predict --model m.safetensors houses.csv --json --backend cpu");
    let rows: Value = serde_json::from_str(&out).unwrap();
    let second = 200_000.0 + 1000.0 * 37.0 - 700.0 * 53.0;
    let value = rows[1]["value"].as_f64().unwrap();
    assert!((value - second).abs() < 15_000.0, "{value} for {second}");
}

#[test]
fn what_does_not_fit_a_table_is_refused_with_the_way_out() {
    let place = Place::new();
    place.write("flowers.csv", &flowers(30));
    place.write("ragged.csv", "a,b\n1,2\n3,4\n5\n");
    place.write("one.csv", "a,b\n1,2\n3,2\n5,2\n6,2\n7,2\n");
    place.write("few.csv", "a,b\n1,2\n3,4\n");
    place.write("empty.csv", "");
    let late: String = (0..3000)
        .map(|row| if row == 2500 { "x,1\n".into() } else { format!("{row},{}\n", row % 2) })
        .collect();
    place.write("late.csv", &late);
    place.write_sample("sample", false);
    for (line, told) in [
        (
            "--data flowers.csv",
            "name with --target what to learn: petal, sepal, colour, noise, kind",
        ),
        ("--data flowers.csv --target kinds", "there is no \"kinds\"; there is petal, sepal"),
        (
            "--data flowers.csv --target kind --stream",
            "give --test FILE.csv, or leave out --stream",
        ),
        ("--data flowers.csv --target kind --shuffle-buffer 5", "give --stream too"),
        ("--data flowers.csv --target kind --augment shift", "the data are a table"),
        ("--data flowers.csv --target kind --test ragged.csv", "ragged.csv: has another header"),
        ("--data ragged.csv --target b", "ragged.csv, line 4: has 1 fields, expected 2"),
        ("--data one.csv --target b", "is the same in all rows"),
        ("--data few.csv --target b", "a fifth of 2 rows is none"),
        ("--data empty.csv --target b", "empty.csv"),
        ("--data nowhere.csv --target b", "nowhere.csv"),
        ("--data late.csv --target 1", "late.csv, line 2501, column \"0\": is \"x\""),
        ("--data sample --target 3", "--data names none; give FILE.csv"),
        ("--target 3", "--data"),
        ("--data sample --workers=-1", "--workers"),
        ("--data sample --workers 1025", "give a whole number from 0 to 1024"),
        ("--data sample --queue 0", "give a whole number from 1 to 65536"),
        ("--data sample --stream --no-shuffle --shuffle-buffer 5", "--shuffle-buffer"),
        ("--data sample --augment flip", "flip"),
    ] {
        let message = place.refused(&format!("{line} --backend cpu"));
        assert!(message.contains(told), "{line}: {message}");
    }
}
