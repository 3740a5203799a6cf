//! The program `mnist-gpu`, run as a user runs it.
#![cfg(feature = "cli")]

#[path = "support/program.rs"]
mod program;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::Command;

use approx::assert_abs_diff_eq;
use minibatch::data::{IdxArray, read_idx, write_idx};
use program::{Place, told};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

impl Place {
    /// With `seven.png` besides.
    fn new() -> Self {
        let place = Place::with_sample();
        fs::copy(data("seven.png"), place.path("seven.png")).unwrap();
        place
    }

    /// What it prints; it must succeed.
    fn succeed(&self, line: &str) -> String {
        let (code, out, err) = self.run(line);
        assert_eq!(code, Some(0), "{line}: {err}");
        out
    }

    fn succeed_json(&self, line: &str) -> Value {
        let text = self.succeed(line);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{line}: {error}: {text}"))
    }

    /// Data of 3 classes, told by the column that is bright.
    fn write_columns(&self, directory: &str, [height, width]: [usize; 2]) {
        fs::create_dir(self.path(directory)).unwrap();
        for (part, samples) in [("train", 90), ("t10k", 30)] {
            let write = |rest: &str, shape: &[usize], data: Vec<u8>| {
                let path = self.path(directory).join(format!("{part}-{rest}-ubyte"));
                write_idx(&path, &IdxArray { shape: shape.to_vec(), data }, false).unwrap();
            };
            let images = (0..samples).flat_map(|i| column(i % 3, i, [height, width])).collect();
            write("images-idx3", &[samples, height, width], images);
            write("labels-idx1", &[samples], (0..samples).map(|i| (i % 3) as u8).collect());
        }
    }

    /// A copy of `sample` in which one file holds other bytes.
    fn damage(&self, directory: &str, file: &str, bytes: &[u8]) {
        self.copy_sample(directory);
        fs::write(self.path(directory).join(file), bytes).unwrap();
    }

    fn write_png(&self, name: &str, [height, width]: [usize; 2], pixels: &[u8]) {
        let file = fs::File::create(self.path(name)).unwrap();
        let mut encoder = png::Encoder::new(file, width as u32, height as u32);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.write_header().unwrap().write_image_data(pixels).unwrap();
    }
}

fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data").join(name)
}

fn column(class: usize, noise: usize, [height, width]: [usize; 2]) -> Vec<u8> {
    let pixel = |i: usize| if i % width == class * 2 { 230 } else { (i * 29 + noise * 17) % 60 };
    (0..height * width).map(|i| pixel(i) as u8).collect()
}

#[test]
fn a_batch_runs_in_the_parts_that_were_asked_for() {
    let place = Place::new();
    let train = "train --backend cpu --data sample --batch-size 1000 --epochs 2";
    let told = |line: &str| {
        let out = place.succeed(line);
        out.lines().filter(|line| line.starts_with("micro-batches: ")).map(str::to_owned).collect()
    };
    let lines: Vec<String> = told(&format!("{train} --micro-batch 300"));
    assert_eq!(lines, ["micro-batches: 300 rows of a batch at a time"]);
    let lines: Vec<String> = told(train);
    assert!(lines.is_empty(), "{lines:?}");
    let (code, _, err) = place.run("train --synthetic --micro-batch 0");
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("--micro-batch"), "{err}");
}

#[test]
#[cfg(not(feature = "mpi"))]
fn without_mpi_several_processes_are_refused_with_the_command_that_builds_it() {
    let place = Place::new();
    let flags = "--distributed mpi";
    let lines = [
        "train --synthetic",
        "evaluate --model m.safetensors --synthetic",
        "predict --model m.safetensors x.png",
    ];
    for line in lines {
        let (code, _, err) = place.run(&format!("{line} {flags}"));
        assert_eq!((code, err.lines().count()), (Some(2), 1), "{line}: {err}");
        assert!(
            err.starts_with("error: --distributed mpi: this program was built without"),
            "{err}"
        );
        assert!(err.contains("cargo build --release --features mpi"), "{err}");
    }
}

#[test]
fn shards_of_a_batch_are_kept_in_the_file_and_in_the_checkpoint() {
    let place = Place::new();
    let line = "train --data sample --epochs 1 --backend cpu --save m.safetensors";
    let out = place.succeed(&format!("{line} --shards 4"));
    assert!(out.contains("\nshards: 4 of 8 rows make a batch\n"), "{out}");
    let four = place.bytes("m.safetensors");
    place.succeed(line);
    assert!(place.bytes("m.safetensors") != four);
    for (shards, problem) in
        [("0", "from 1 to 1024"), ("1025", "from 1 to 1024"), ("4 --micro-batch 8", "cannot be")]
    {
        let (code, _, err) = place.run(&format!("{line} --shards {shards}"));
        assert!(code == Some(2) && err.contains(problem), "{shards}: {err}");
    }
    place.succeed("train --data sample --epochs 1 --backend cpu --checkpoint cp --shards 4");
    let resume = "train --data sample --epochs 2 --backend cpu --checkpoint cp --resume";
    let (code, _, err) = place.run(resume);
    assert!(
        code == Some(2) && err.contains("shards: the checkpoint has 4, this run none"),
        "{err}"
    );
    place.succeed(&format!("{resume} --shards 4"));
}

/// The object's keys in alphabetical order.
fn keys(object: &Value) -> String {
    let mut keys: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys.join(" ")
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn assert_near(a: &Value, b: &Value, relative: f64) {
    let (a, b) = (number(a), number(b));
    assert_abs_diff_eq!(a, b, epsilon = relative * b.abs());
}

#[test]
fn what_is_trained_is_saved_recorded_evaluated_and_used() {
    let place = Place::new();
    for backend in ["cpu", "gpu"] {
        let out = place.succeed(&format!(
            "train --synthetic --epochs 2 --backend {backend} --save m.safetensors --history h.json"
        ));
        assert!(out.starts_with("data: synthetic digits (20000 + 2000)"), "{out}");
        assert!(out.contains("\nnetwork: 784-128-10, 101770 parameters\n"), "{out}");
        assert!(out.contains("\ntest: loss: "), "{out}");
        assert!(out.ends_with("model saved to m.safetensors\nhistory saved to h.json\n"), "{out}");

        let history = place.json("h.json");
        let evaluate = format!("evaluate --model m.safetensors --synthetic --backend {backend}");
        let scores = place.succeed_json(&format!("{evaluate} --json"));
        assert_eq!(keys(&scores), "accuracy adapter backend loss samples");
        assert_near(&scores["loss"], &history["test"]["loss"], 1e-6);
        assert_near(&scores["accuracy"], &history["test"]["accuracy"], 1e-6);
        assert!(number(&scores["accuracy"]) > 0.9, "{scores}");
        assert_eq!((&scores["backend"], &scores["samples"]), (&backend.into(), &2000.into()));

        let predict = format!("predict --model m.safetensors --backend {backend} seven.png");
        let predictions = place.succeed_json(&format!("{predict} seven.png --json"));
        assert_eq!(predictions.as_array().unwrap().len(), 2);
        let prediction = &predictions[0];
        assert_eq!(keys(prediction), "class image probabilities probability");
        let probabilities: Vec<f64> =
            prediction["probabilities"].as_array().unwrap().iter().map(number).collect();
        assert_eq!(probabilities.len(), 10);
        assert_abs_diff_eq!(probabilities.iter().sum::<f64>(), 1.0, epsilon = 1e-5);
        assert_eq!(prediction["class"], 7, "{prediction}");
        let most = probabilities.iter().copied().fold(0.0, f64::max);
        assert_eq!((most, most), (probabilities[7], number(&prediction["probability"])));
        assert!(place.succeed(&predict).starts_with("seven.png: 7 ("));
    }
}

#[test]
fn the_history_has_the_documented_fields_and_no_others() {
    let place = Place::new();
    for backend in ["cpu", "gpu"] {
        let train = format!(
            "train --data sample --hidden 9 --epochs 3 --batch-size 50 --seed 7 --backend {backend}"
        );
        place.succeed(&format!("{train} --history plain.json"));
        place.succeed(&format!("{train} --history split.json --validation-split 0.2"));
        place.succeed(&format!("{train} --history split.CSV --validation-split 0.2"));

        let plain = place.json("plain.json");
        assert_eq!(keys(&plain), "adapter backend batch_size epochs seed steps_per_epoch test");
        assert_eq!(plain["backend"], backend);
        assert!(!plain["adapter"].as_str().unwrap().is_empty());
        let counts = ["seed", "batch_size", "steps_per_epoch"].map(|name| &plain[name]);
        assert_eq!(counts, [7, 50, 30]);
        assert_eq!(keys(&plain["test"]), "accuracy loss");
        let split = place.json("split.json");
        assert_eq!(split["steps_per_epoch"], 24);
        for (history, more) in [(&plain, ""), (&split, " val_accuracy val_loss")] {
            let fields = format!("accuracy epoch learning_rate loss seconds{more}");
            let epochs = history["epochs"].as_array().unwrap();
            assert_eq!(epochs.len(), 3);
            for (index, epoch) in epochs.iter().enumerate() {
                assert_eq!(keys(epoch), fields);
                assert!(fields.split(' ').all(|field| epoch[field].is_number()), "{epoch}");
                assert_eq!(epoch["epoch"], index + 1);
            }
            assert!(number(&epochs[2]["loss"]) < number(&epochs[0]["loss"]));
        }

        let csv = String::from_utf8(place.bytes("split.CSV")).unwrap();
        assert_eq!(
            csv.lines().next(),
            Some("epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds")
        );
        assert_eq!(csv.lines().count(), 4);
        let third = &split["epochs"][2];
        assert!(csv.contains(&format!("\n3,{},{},", third["loss"], third["accuracy"])), "{csv}");
    }
}

#[test]
fn the_same_seed_saves_the_same_bytes_and_both_backends_agree() {
    let place = Place::new();
    let mut losses = Vec::new();
    for backend in ["cpu", "gpu"] {
        for (name, seed) in [("a", 0), ("b", 0), ("c", 1)] {
            place.succeed(&format!(
                "train --data sample --epochs 2 --backend {backend} --seed {seed} \
                 --save {name}.safetensors --history {name}.json"
            ));
        }
        let [a, b, c] = ["a", "b", "c"].map(|name| place.bytes(&format!("{name}.safetensors")));
        assert!(a == b, "{backend}: the same seed saved other bytes");
        assert!(a != c, "{backend}: another seed saved the same bytes");
        losses.push(place.json("a.json")["epochs"][0]["loss"].clone());
    }
    assert_near(&losses[0], &losses[1], 0.005);
}

#[test]
fn the_number_of_threads_changes_no_byte() {
    let place = Place::new();
    let saved = ["1", "3"].map(|threads| {
        let out = place.succeed(&format!(
            "train --data sample --epochs 1 --backend cpu --threads {threads} --save m.safetensors"
        ));
        let counted = format!("backend: the CPU, {threads} thread");
        assert!(out.lines().any(|line| line.starts_with(&counted)), "{out}");
        let evaluate =
            "evaluate --model m.safetensors --data sample --backend cpu --json --threads";
        (place.bytes("m.safetensors"), place.succeed(&format!("{evaluate} {threads}")))
    });
    assert!(saved[0] == saved[1]);
}

#[test]
fn optimizers_have_keras_names_and_rates() {
    let place = Place::new();
    // Of each: Keras' default rate, and what it keeps of a weight.
    for (name, rate, state) in [
        ("adam", 0.001, "moment_1 moment_2"),
        ("adamw", 0.001, "moment_1 moment_2"),
        ("sgd", 0.01, "velocity"),
        ("rmsprop", 0.001, "mean_gradient mean_square velocity"),
        ("adagrad", 0.001, "accumulator"),
    ] {
        let train = format!(
            "--data sample --hidden 8 --epochs 1 --steps-per-epoch 2 --backend cpu --save {name} \
             --optimizer {name} --history h.json"
        );
        place.succeed(&format!("{train} --learning-rate 0.5"));
        assert_eq!(place.json("h.json")["epochs"][0]["learning_rate"], 0.5);
        place.succeed(&train);
        assert_eq!(place.json("h.json")["epochs"][0]["learning_rate"], rate, "{name}");
        let bytes = place.bytes(name);
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let mut kept: Vec<&str> = tensors
            .names()
            .into_iter()
            .filter_map(|tensor| tensor.strip_prefix("dense_1.weight."))
            .collect();
        kept.sort_unstable();
        assert_eq!(kept.join(" "), state, "{name}");
    }
    assert!(place.bytes("adam") != place.bytes("adamw"));
}

#[test]
fn dropout_stands_after_each_hidden_layer() {
    let place = Place::new();
    let train = "--data sample --hidden 8,6 --epochs 1 --backend cpu --save";
    let out = place.succeed(&format!("{train} m --dropout 0.25"));
    assert!(out.contains("\nnetwork: 784-8-6-10, 6404 parameters, dropout 0.25\n"), "{out}");
    let model = minibatch::Model::load(&place.path("m"), &minibatch::Cpu::new()).unwrap();
    let kinds: Vec<String> =
        model.architecture().layers().map(|layer| format!("{layer:?}")).collect();
    let kinds: Vec<&str> = kinds.iter().map(|kind| kind.split('(').next().unwrap()).collect();
    assert_eq!(kinds, ["Dense", "Dropout", "Dense", "Dropout", "Dense"]);
    place.succeed(&format!("{train} plain --dropout 0"));
    place.succeed(&format!("{train} none"));
    assert!(place.bytes("plain") == place.bytes("none"));
    assert!(place.bytes("plain") != place.bytes("m"));
}

#[test]
fn train_is_what_happens_without_a_command() {
    let place = Place::new();
    place.succeed("--data sample --epochs 1 --backend cpu --save bare.safetensors");
    place.succeed("train --data sample --epochs 1 --backend cpu --save named.safetensors");
    assert!(place.bytes("bare.safetensors") == place.bytes("named.safetensors"));
}

#[test]
fn data_that_are_named_come_first_and_are_never_replaced() {
    let place = Place::new();
    fs::create_dir(place.path("empty")).unwrap();
    let train = "--epochs 1 --steps-per-epoch 1 --backend cpu --hidden 128,64";
    let run = |mnist_dir: &str, flags: &str| {
        let mut command = place.command(&format!("{train} {flags}"));
        told(command.env("MNIST_DIR", mnist_dir).output().unwrap())
    };
    let first_line = |(code, out, err): (Option<i32>, String, String)| {
        assert_eq!(code, Some(0), "{err}");
        out.lines().next().unwrap().to_owned()
    };
    let (code, out, _) = run("nowhere", "--data sample");
    assert_eq!(code, Some(0));
    let network = 784 * 128 + 128 + 128 * 64 + 64 + 64 * 10 + 10;
    assert!(out.starts_with("data: sample (1500 + 500), named by --data\n"), "{out}");
    assert!(out.contains(&format!("network: 784-128-64-10, {network} parameters\n")), "{out}");
    let line = first_line(run("sample", ""));
    assert_eq!(line, "data: sample (1500 + 500), named by MNIST_DIR, no --data");
    let line = first_line(run("nowhere", "--synthetic"));
    assert_eq!(line, "data: synthetic digits (20000 + 2000), asked for by --synthetic");

    for (mnist_dir, flags, begin) in [
        ("sample", "--data nowhere", "error: --data: cannot read nowhere: "),
        (
            "sample",
            "--data empty",
            "error: --data: empty: has no train-images-idx3-ubyte; expected",
        ),
        ("nowhere", "", "error: MNIST_DIR: cannot read nowhere: "),
        ("", "--mirror example.org", "error: --mirror: got \"example.org\", expected"),
    ] {
        let (code, _, err) = run(mnist_dir, flags);
        assert_eq!(code, Some(2), "{flags}");
        assert!(err.starts_with(begin), "{flags}: {err}");
    }
}

#[test]
fn without_data_and_network_it_draws_digits_and_says_why() {
    let place = Place::new();
    let out = place.succeed("--mirror http://127.0.0.1:9 --epochs 1 --backend cpu");
    let line = out.lines().next().unwrap();
    assert!(line.starts_with("data: synthetic digits (20000 + 2000), not MNIST: "), "{line}");
    assert!(line.contains("MNIST_DIR unset, cache empty, download failed: "), "{line}");
}

#[test]
fn the_model_is_a_safetensors_file_with_weights_from_inputs_to_units() {
    let place = Place::new();
    place.succeed("--data sample --hidden 16,8 --epochs 1 --save m.safetensors");
    let bytes = place.bytes("m.safetensors");
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    // Weights and biases, and Adam's two moments of each.
    assert_eq!(tensors.len(), 18);
    for (layer, inputs, units) in [(1, 784, 16), (2, 16, 8), (3, 8, 10)] {
        let weight = tensors.tensor(&format!("dense_{layer}.weight")).unwrap();
        assert_eq!((weight.dtype(), weight.shape()), (Dtype::F32, &[inputs, units][..]));
        let bias = tensors.tensor(&format!("dense_{layer}.bias")).unwrap();
        assert_eq!((bias.dtype(), bias.shape()), (Dtype::F32, &[units][..]));
    }
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    assert!(header.metadata().as_ref().is_some_and(|map| map.contains_key("minibatch")));
}

#[test]
fn a_run_is_drawn_and_profiled_and_runs_are_compared() {
    let place = Place::new();
    let train = "--data sample --hidden 8 --epochs 3 --validation-split 0.2 --backend cpu";
    let out =
        place.succeed(&format!("{train} --history a.json --plot run.html --profile trace.json"));
    assert!(out.ends_with("plot saved to run.html\nprofile saved to trace.json\n"), "{out}");
    let page = String::from_utf8(place.bytes("run.html")).unwrap();
    assert!(page.contains(">accuracy</text>") && !page.contains("refresh"), "{page}");
    let trace = place.json("trace.json");
    let events = trace["traceEvents"].as_array().unwrap();
    let count = |name: &str| events.iter().filter(|event| event["name"] == name).count();
    assert_eq!((count("epoch"), count("wait for scores")), (3, 7));
    let out = place.succeed(&format!("{train} --seed 2 --history b.csv"));
    assert!(!out.contains("saved to run"), "{out}");

    let out = place.succeed("show a.json b.csv --figure runs.png");
    let history = place.json("a.json");
    let losses = history["epochs"].as_array().unwrap().iter().map(|e| number(&e["loss"]));
    let losses: Vec<f64> = losses.collect();
    let least = losses.iter().copied().fold(f64::INFINITY, f64::min);
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let lines: Vec<Vec<String>> = out.lines().map(words).collect();
    let at = losses.iter().position(|&loss| loss == least).unwrap() + 1;
    let expected = format!("a 3 loss {least:.4} {at} {:.4}", losses[2]);
    assert_eq!(lines[1], words(&expected), "{out}");
    let names = |from: usize| [from, from + 1, from + 2].map(|i| lines[i][0].clone());
    assert_eq!(names(2), ["accuracy", "val_loss", "val_accuracy"], "{out}");
    assert_eq!(lines[5][..3], ["b", "3", "loss"].map(str::to_owned), "{out}");
    assert_eq!(lines.len(), 10, "{out}");
    let image = png::Decoder::new(BufReader::new(fs::File::open(place.path("runs.png")).unwrap()));
    let mut image = image.read_info().unwrap();
    let mut pixels = vec![0; image.output_buffer_size().unwrap()];
    let info = image.next_frame(&mut pixels).unwrap();
    // Two panels of 680 x 320, twice as large, with a line in the first colour of all.
    assert_eq!((info.width, info.height), (1360, 1280));
    let blue = |pixel: &&[u8]| pixel[..3] == [0, 114, 178];
    assert!(pixels.chunks(info.color_type.samples()).filter(blue).count() > 500);
    place.succeed("show a.json --figure run.svg");
    assert!(place.bytes("run.svg").starts_with(b"<svg"));
}

#[test]
fn damaged_histories_are_refused() {
    let place = Place::new();
    let files = [
        ("a.json", "{", "is no history"),
        ("a.json", r#"{"epochs": []}"#, "has no epochs"),
        (
            "a.json",
            r#"{"epochs": [{"epoch": 1, "loss": 2}, {"epoch": 2}]}"#,
            "entry 2 of its epochs",
        ),
        ("a.json", r#"{"epochs": [{"epoch": 1, "loss": "low"}]}"#, "loss is \"low\""),
        ("a.json", r#"{"epochs": [{"epoch": 1.5, "loss": 1}]}"#, "its epoch is 1.5"),
        ("a.csv", "", "is empty"),
        ("a.csv", "epoch,loss\n", "has no epochs"),
        ("a.csv", "epoch,loss\n1,2,3\n", "line 2"),
        ("a.csv", "epoch,loss\n1,2\n2,two\n", "line 3"),
        ("a.csv", "epoch,accuracy\n1,2\n", "has no loss"),
    ];
    for (file, text, culprit) in files {
        fs::write(place.path(file), text).unwrap();
        let (code, out, err) = place.run(&format!("show {file}"));
        assert_eq!((code, out.as_str()), (Some(2), ""), "{text}");
        assert!(err.contains(file) && err.contains(culprit), "{text}: {err}");
    }
    // What was not finite, or not measured, is no error.
    let text = "epoch,loss,val_loss,seconds\n1,NaN,,0.5\n2,3,inf,0.5\n";
    fs::write(place.path("a.csv"), text).unwrap();
    let out = place.succeed("show a.csv --figure a.svg");
    assert!(out.contains("loss      3.0000         2  3.0000"), "{out}");
}

#[test]
fn verbosity_is_as_in_keras() {
    let place = Place::new();
    let train = "--data sample --epochs 3 --hidden 8 --save m.safetensors --history h.csv";
    for (verbosity, lines) in [("--verbose 0", 0), ("--verbose 2", 3), ("", 3)] {
        let (code, out, err) = place.run(&format!("{train} {verbosity}"));
        assert_eq!((code, err.as_str()), (Some(0), ""), "{verbosity}");
        let epochs = out.lines().filter(|line| line.starts_with("Epoch ")).count();
        assert_eq!((epochs, out.is_empty()), (lines, lines == 0), "{out}");
    }
}

#[test]
fn the_networks_ends_follow_the_data() {
    let place = Place::new();
    let size = [5, 7];
    place.write_columns("columns", size);
    for backend in ["cpu", "gpu"] {
        let out = place.succeed(&format!(
            "--data columns --hidden 16 --epochs 30 --learning-rate 0.01 --backend {backend} \
             --save m.safetensors"
        ));
        assert!(out.contains("\nnetwork: 35-16-3, 627 parameters\n"), "{out}");
        let scores = place.succeed_json("evaluate --model m.safetensors --data columns --json");
        assert_eq!((number(&scores["accuracy"]), &scores["samples"]), (1.0, &30.into()));
        for class in 0..3 {
            place.write_png("column.png", size, &column(class, 5, size));
            let predict = format!("predict --model m.safetensors --backend {backend} --json");
            let predictions = place.succeed_json(&format!("{predict} column.png"));
            assert_eq!(predictions[0]["class"], class);
            assert_eq!(predictions[0]["probabilities"].as_array().unwrap().len(), 3);
        }
    }
}

#[test]
fn bad_input_ends_with_one_line_and_code_2_and_changes_no_file() {
    let place = Place::new();
    place.write_columns("columns", [5, 7]);
    place.succeed("--data sample --epochs 1 --hidden 8 --save good.safetensors");
    place.write_png("small.png", [5, 7], &[0; 35]);
    let model = place.bytes("good.safetensors");
    let zero = TensorView::new(Dtype::F32, vec![1], &[0; 4]).unwrap();
    let foreign = safetensors::serialize([("w", zero)], None).unwrap();
    let files: [(&str, &[u8]); 7] = [
        ("text.png", b"no image"),
        ("empty.png", b""),
        ("text.safetensors", b"no model"),
        ("cut.safetensors", &model[..model.len() - 1]),
        ("foreign.safetensors", &foreign),
        ("keep.safetensors", b"old"),
        ("keep.json", b"old"),
    ];
    for (name, bytes) in files {
        fs::write(place.path(name), bytes).unwrap();
    }
    let (images, labels) = ("train-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz");
    let pixels = place.bytes(&format!("sample/{images}"));
    place.damage("truncated", images, &pixels[..pixels.len() / 2]);
    place.damage("magic", images, &place.bytes(&format!("sample/{labels}")));
    let mut wrong = read_idx(&place.path("sample").join(labels)).unwrap();
    wrong.data[3] = 10;
    place.damage("label", labels, b"");
    write_idx(&place.path("label").join(labels), &wrong, true).unwrap();
    (wrong.shape, wrong.data) = (vec![7], vec![0; 7]);
    place.damage("counts", labels, b"");
    write_idx(&place.path("counts").join(labels), &wrong, true).unwrap();
    place.damage("lacking", images, b"");
    fs::remove_file(place.path("lacking").join(images)).unwrap();

    let refuse = |line: &str, culprit: &str| {
        let (code, out, err) = place.run(line);
        assert_eq!(code, Some(2), "{line}: {err}");
        assert!(err.starts_with("error: ") && err.contains(culprit), "{line}: {err}");
        assert_eq!(err.lines().count(), 1, "{line}: {err}");
        let told = ["data: ", "backend: ", "network: ", "Epoch "];
        assert!(out.lines().all(|text| told.iter().any(|word| text.starts_with(word))), "{out}");
        let kept = ["keep.safetensors", "keep.json"].map(|name| place.bytes(name));
        assert_eq!(kept, [b"old", b"old"], "{line}");
    };
    let train = "train --save keep.safetensors --history keep.json";
    let flags = "--batch-size 0; --epochs 0; --hidden 0; --hidden 8,,8; --learning-rate 0; \
                 --learning-rate -1; --learning-rate nan; --validation-split 1.0; --verbose 3; \
                 --dropout 1; --dropout -0.1; --optimizer adadelta; \
                 --backend tpu; --threads 0; --synthetic; --frobnicate";
    let (_, _, err) = place.run("--batch-size 0");
    let told = "error: invalid value '0' for '--batch-size <N>': give a whole number of at least 1";
    assert_eq!(err.trim_end(), told);
    let (_, _, err) = place.run("evaluate");
    let told = "error: the following required arguments were not provided: --model <FILE>";
    assert_eq!(err.trim_end(), told);
    for flag in flags.split("; ") {
        refuse(&format!("{train} --data sample {flag}"), flag.split(' ').next().unwrap());
    }
    let training = [
        ("--data nowhere", "nowhere"),
        ("--data lacking", "lacking: has no train-images-idx3-ubyte"),
        ("--data truncated", "truncated/train-images-idx3-ubyte.gz: damaged gzip"),
        ("--data magic", "magic/train-images-idx3-ubyte.gz"),
        ("--data counts", "holds 7 labels, but 500 images"),
        ("--data label", "sample 3 has the label 10"),
        ("--data sample --hidden 99999999999", "99999999999"),
        ("--data sample --hidden 1048576", "parameters; give smaller layers"),
        ("--data sample --learning-rate 1e30 --backend cpu", "non-finite at step 2"),
        ("--data sample --learning-rate 1e30 --backend gpu", "non-finite at step 2"),
        ("--data sample --learning-rate 1e30 --epochs 1 --steps-per-epoch 1", "test loss"),
        ("--data sample --validation-split 0.999999", "0.999999"),
        ("--data sample --steps-per-epoch 99999", "99999"),
        ("--data sample --adapter nosuch", "nosuch"),
        ("--data sample --adapter nosuch --backend cpu", "nosuch"),
        ("--data sample --threads 2 --backend gpu", "--threads 2"),
        ("--mirror nonsense", "nonsense"),
    ];
    for (line, culprit) in training {
        refuse(&format!("{train} {line}"), culprit);
    }
    let others = [
        ("--data sample --save no/m.safetensors", "no does not exist"),
        ("--data sample --save sample", "is a directory"),
        ("--data sample --history no/h.json", "no does not exist"),
        ("--data sample --history keep.txt", "keep.txt"),
        ("--data sample --history json", "ends in .json or .csv"),
        ("--data sample --save keep.json --history ./keep.json", "same file"),
        ("--data sample --plot run.png", "ends in .svg or .html"),
        ("--data sample --plot no/run.svg", "no does not exist"),
        ("--data sample --profile no/trace.json", "no does not exist"),
        ("--data sample --plot ./keep.svg --profile keep.svg", "same file"),
        ("show", "HISTORY"),
        ("show nowhere.json", "nowhere.json"),
        ("show mnist.safetensors", "ends in .json or .csv"),
        ("show keep.json --figure run.html", "ends in .svg or .png"),
        ("show keep.json --figure no/run.svg", "no does not exist"),
        ("frobnicate", "frobnicate"),
        ("evaluate --data sample", "--model"),
        ("evaluate --data sample --model nowhere", "nowhere"),
        ("evaluate --data sample --model text.safetensors", "text.safetensors"),
        ("evaluate --data sample --model cut.safetensors", "cut.safetensors"),
        ("evaluate --data sample --model foreign.safetensors", "foreign.safetensors"),
        ("evaluate --data columns --model good.safetensors", "does not fit the model's input"),
        ("predict --model good.safetensors", "IMAGE.png"),
        ("predict --model good.safetensors nowhere.png", "nowhere.png"),
        ("predict --model good.safetensors text.png", "text.png: not a readable PNG image"),
        ("predict --model good.safetensors seven.png empty.png", "empty.png"),
        ("predict --model good.safetensors small.png", "small.png: is 7 x 5 pixels"),
        ("verify --adapter nosuch", "nosuch"),
        ("bench --layers 784", "--layers"),
        ("bench --data columns", "--layers begins with 784"),
    ];
    for (line, culprit) in others {
        refuse(line, culprit);
    }
}

#[cfg(unix)]
#[test]
fn what_can_only_be_replaced_and_not_written_to_is_refused() {
    use std::os::unix::fs::FileTypeExt;

    let place = Place::new();
    assert!(Command::new("mkfifo").arg(place.path("pipe")).status().unwrap().success());
    fs::write(place.path("kept"), "old").unwrap();
    let mut permissions = fs::metadata(place.path("kept")).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(place.path("kept"), permissions).unwrap();
    for (name, problem) in
        [("pipe", "is no ordinary file; give a file name"), ("kept", "is read-only")]
    {
        let (code, _, err) = place.run(&format!("--data sample --epochs 1 --save {name}"));
        assert_eq!((code, err), (Some(2), format!("error: --save {name}: {problem}\n")));
    }
    assert!(fs::metadata(place.path("pipe")).unwrap().file_type().is_fifo());
    assert_eq!(place.bytes("kept"), b"old");
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_what_was_learned_so_far() {
    let place = Place::new();
    for backend in ["cpu", "gpu"] {
        let line = format!(
            "--data sample --epochs 20000 --backend {backend} --save m.safetensors --history h.json"
        );
        let mut child = place.start(&line);
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("Epoch ") {
            line.clear();
            assert!(out.read_line(&mut line).unwrap() > 0, "{backend}: it ended before it trained");
        }
        let pid = child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        let mut rest = String::new();
        out.read_to_string(&mut rest).unwrap();
        let (code, _, err) = told(child.wait_with_output().unwrap());
        assert_eq!(code, Some(130), "{err}");
        assert!(err.trim().starts_with("Ctrl-C: "), "{err}");
        assert!(rest.contains("stopped by Ctrl-C after "), "{rest}");
        let history = place.json("h.json");
        assert!(!history["epochs"].as_array().unwrap().is_empty());
        assert!(history["test"].is_null());
        place.succeed(&format!("evaluate --model m.safetensors --data sample --backend {backend}"));
        fs::remove_file(place.path("m.safetensors")).unwrap();
    }
}

#[test]
fn verify_finds_operations_within_their_bounds() {
    let place = Place::new();
    let names = ["convert", "dense_backward_input", "softmax_crossentropy", "adam", "functional"];
    let verify = format!("verify --json --only {}", names.join(","));
    let report = place.succeed_json(&verify);
    assert_eq!(keys(&report), "adapter backend checks driver issue passed probes ruled_out");
    assert_eq!(report["passed"], true, "{report}");
    assert_eq!(report["ruled_out"], serde_json::json!([]));
    let checks = report["checks"].as_array().unwrap();
    let has = |check: &Value, name: &str| check["operation"].as_str().unwrap().contains(name);
    for name in names {
        assert!(checks.iter().any(|check| has(check, name)), "{name} is not checked");
    }
    assert!(checks.iter().all(|check| names.iter().any(|name| has(check, name))), "{checks:?}");
    for check in checks {
        assert_eq!(keys(check), "bound operation passed seconds shapes worst_error");
        assert!(number(&check["worst_error"]) <= number(&check["bound"]), "{check}");
    }
    assert!(!place.path("cache/minibatch").exists(), "a part of the checks was kept");
    let (code, out, err) = place.run("verify --only adam,nonsense");
    assert_eq!((code, out.as_str()), (Some(2), ""), "{err}");
    assert!(err.starts_with("error: --only nonsense: no operation or training has it"), "{err}");
}

#[test]
fn the_adapters_are_listed() {
    let place = Place::new();
    let adapters = place.succeed_json("adapters --json");
    let table = place.succeed("adapters");
    let first = adapters.as_array().unwrap().first().unwrap_or_else(|| panic!("{table}"));
    assert_eq!(keys(first), "auto backend driver name type");
    assert!(table.contains(first["name"].as_str().unwrap()), "{table}");
}

#[test]
fn bench_reports_the_dispatches_and_submits_of_a_step() {
    let place = Place::new();
    let bench = "bench --steps 20 --warmup 2 --json --backend";
    let report = place.succeed_json(&format!("{bench} gpu"));
    let fields = "adapter backend batch_size device_bytes dispatches_per_step first_step_ms layers \
                  peak_rss_mib precision samples_per_second seconds steps steps_per_second \
                  submits_per_step";
    assert_eq!(keys(&report), fields);
    assert_eq!(report["layers"], serde_json::json!([784, 128, 10]));
    assert_eq!(
        [&report["backend"], &report["batch_size"], &report["steps"]],
        [&Value::from("gpu"), &32.into(), &20.into()]
    );
    // One more gathers the rows of data that lie on the device.
    assert!((1..=8).contains(&report["dispatches_per_step"].as_u64().unwrap()), "{report}");
    let submits = number(&report["submits_per_step"]);
    assert!(submits > 0.0 && submits <= 1.0, "{report}");
    let report = place.succeed_json(&format!("{bench} cpu --layers 64,32,3 --batch-size 7"));
    assert_eq!(report["backend"], "cpu");
    assert_eq!(keys(&report), fields);
}

#[test]
fn a_reader_that_is_gone_is_no_panic() {
    let place = Place::new();
    for line in ["--data sample --epochs 1", "adapters --json", "bench --steps 2", "--help"] {
        let mut child = place.start(line);
        drop(child.stdout.take());
        let (code, _, err) = told(child.wait_with_output().unwrap());
        assert_eq!(err, "", "{line}");
        assert!(matches!(code, Some(0 | 2)), "{line}: {code:?}");
    }
}
