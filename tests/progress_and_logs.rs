//! Callbacks that keep a record of a run: what TensorBoard reads, what a terminal shows, and the
//! backup from which a broken run goes on.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use approx::abs_diff_eq;
use minibatch::callbacks::{BackupAndRestore, Frequency, LambdaCallback, ProgressBar, TensorBoard};
use minibatch::data::{Dataset, synthetic_digits};
use minibatch::model::{Compiled, Input};
use minibatch::training::{
    Backend, Callback, Control, EpochRecord, EpochStart, History, Request, Resume, Scores, StepEnd,
    TrainStart,
};
use minibatch::{
    Activation, Adam, Cpu, Error, Evaluate, Fit, Gpu, Loss, Metric, Model, Predict, Result,
    Sequential, Sgd, Verbose,
};

fn digits(samples: usize) -> Dataset {
    synthetic_digits(samples, 0).unwrap().with_classes(10).unwrap()
}

fn model() -> Model {
    Sequential::new(Input::pixels(&[28, 28]))
        .dense(8, Activation::Relu)
        .dense(10, Activation::Softmax)
        .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
        .build(&Cpu::new())
        .unwrap()
}

/// The files of a directory, by their names; none if there is no such directory.
fn files(directory: impl AsRef<Path>) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// CRC-32C by division of the message, as long as it is, by the polynomial 0x11edc6f41: the first
/// 32 bits inverted, the lowest bit of each byte first.
fn crc32c(data: &[u8]) -> u32 {
    let bits = data.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1));
    let mut remainder = 0u64;
    for (index, bit) in bits.chain(std::iter::repeat_n(0, 32)).enumerate() {
        remainder = remainder << 1 | u64::from(bit ^ u8::from(index < 32));
        if remainder >> 32 == 1 {
            remainder ^= 0x1_1edc_6f41;
        }
    }
    !(remainder as u32).reverse_bits()
}

fn little_endian<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().unwrap()
}

/// The messages of a TFRecord file, whose checksums must be right.
fn records(bytes: &[u8]) -> Vec<&[u8]> {
    let masked = |bytes: &[u8]| {
        let crc = crc32c(bytes);
        crc.rotate_right(15).wrapping_add(0xa282ead8).to_le_bytes()
    };
    let mut records = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (length, after) = rest.split_at(8);
        let (sum, after) = after.split_at(4);
        assert_eq!(sum, masked(length), "checksum of a length");
        let (data, after) = after.split_at(u64::from_le_bytes(little_endian(length)) as usize);
        let (sum, after) = after.split_at(4);
        assert_eq!(sum, masked(data), "checksum of a message");
        records.push(data);
        rest = after;
    }
    records
}

/// The fields of a protobuf message: number and content, those of a variable-length integer as
/// eight bytes.
fn fields(mut message: &[u8]) -> Vec<(u64, Vec<u8>)> {
    fn varint(message: &mut &[u8]) -> u64 {
        let end = message.iter().position(|byte| byte & 0x80 == 0).unwrap();
        let (digits, rest) = message.split_at(end + 1);
        *message = rest;
        digits.iter().rev().fold(0, |value, byte| value << 7 | u64::from(byte & 0x7f))
    }
    let mut fields = Vec::new();
    while !message.is_empty() {
        let key = varint(&mut message);
        let length = match key & 7 {
            0 => {
                fields.push((key >> 3, varint(&mut message).to_le_bytes().to_vec()));
                continue;
            }
            1 => 8,
            2 => varint(&mut message) as usize,
            5 => 4,
            other => panic!("wire type {other}"),
        };
        let (content, rest) = message.split_at(length);
        fields.push((key >> 3, content.to_vec()));
        message = rest;
    }
    fields
}

fn field(fields: &[(u64, Vec<u8>)], number: u64) -> Option<&[u8]> {
    fields.iter().find(|(found, _)| *found == number).map(|(_, content)| &**content)
}

/// Tag, step and value of each scalar of an event file, whose first record must tell its version
/// and whose times must lie between the test's begin and its end.
fn scalars(path: &Path) -> Vec<(String, u64, f32)> {
    let bytes = std::fs::read(path).unwrap();
    let mut events = records(&bytes).into_iter().map(fields);
    let first = events.next().unwrap();
    assert_eq!(field(&first, 3), Some(&b"brain.Event:2"[..]));
    let mut last_time = 1.7e9; // November 2023
    let read = events.map(|event| {
        let time = f64::from_le_bytes(little_endian(field(&event, 1).unwrap()));
        assert!(time >= last_time && time < 1e10, "{time} after {last_time}");
        last_time = time;
        let step = u64::from_le_bytes(little_endian(field(&event, 2).unwrap()));
        let summary = fields(field(&event, 5).unwrap());
        let value = fields(field(&summary, 1).unwrap());
        let tag = String::from_utf8(field(&value, 1).unwrap().to_vec()).unwrap();
        (tag, step, f32::from_le_bytes(little_endian(field(&value, 2).unwrap())))
    });
    read.collect()
}

fn only_file(directory: impl AsRef<Path>) -> PathBuf {
    let mut files = files(directory);
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

fn named(values: &[(&str, u64, f64)]) -> Vec<(String, u64, f32)> {
    values.iter().map(|&(tag, step, value)| (tag.to_owned(), step, value as f32)).collect()
}

#[test]
fn tensorboard_files_hold_each_epoch_under_keras_tags_and_steps() {
    let directory = tempfile::tempdir().unwrap();
    let logs = directory.path().join("made/if/missing");
    let mut board = TensorBoard::new(&logs);
    let fit = Fit::new().epochs(2).validation_split(0.25).callback(&mut board);
    let mut model = model();
    let history = model.fit(digits(128), fit).unwrap();
    let [first, second] = [&history.epochs[0], &history.epochs[1]];
    let value = |name| [first, second].map(|record| record.value(name).unwrap());
    let [loss, accuracy] = ["loss", "accuracy"].map(value);
    let train = only_file(logs.join("train"));
    let expected = [
        ("epoch_loss", 0, loss[0]),
        ("epoch_accuracy", 0, accuracy[0]),
        ("epoch_learning_rate", 0, 0.001),
        ("epoch_loss", 1, loss[1]),
        ("epoch_accuracy", 1, accuracy[1]),
        ("epoch_learning_rate", 1, 0.001),
    ];
    assert_eq!(scalars(&train), named(&expected));
    // 96 samples to train on, so 3 steps an epoch.
    let [loss, accuracy] = ["val_loss", "val_accuracy"].map(value);
    let expected = [
        ("evaluation_loss_vs_iterations", 3, loss[0]),
        ("evaluation_accuracy_vs_iterations", 3, accuracy[0]),
        ("epoch_loss", 0, loss[0]),
        ("epoch_accuracy", 0, accuracy[0]),
        ("evaluation_loss_vs_iterations", 6, loss[1]),
        ("evaluation_accuracy_vs_iterations", 6, accuracy[1]),
        ("epoch_loss", 1, loss[1]),
        ("epoch_accuracy", 1, accuracy[1]),
    ];
    assert_eq!(scalars(&only_file(logs.join("validation"))), named(&expected));
    let name = train.file_name().unwrap().to_str().unwrap();
    let parts: Vec<&str> = name.split('.').collect();
    assert_eq!(parts[..3], ["events", "out", "tfevents"]);
    assert!(parts[3].parse::<u64>().unwrap() > 1_700_000_000, "{name}");
    assert_eq!(parts[4..6], ["minibatch", &std::process::id().to_string()]);
}

/// Notes the scores of every step.
#[derive(Default)]
struct EveryStep(Vec<Vec<(String, f64)>>);

impl Callback for EveryStep {
    fn wants_scores(&mut self, _step: StepEnd) -> bool {
        true
    }
    fn scores(&mut self, _step: StepEnd, scores: &Scores) {
        self.0.push(scores.values());
    }
}

#[test]
fn tensorboard_writes_every_nth_batch_counted_over_the_epochs_of_a_fit() {
    let directory = tempfile::tempdir().unwrap();
    let mut model = model();
    let mut board = TensorBoard::new(directory.path()).update_freq(Frequency::Batches(3));
    // 4 steps an epoch; in the second fit the count begins anew.
    for _ in 0..2 {
        let mut every = EveryStep::default();
        let fit = Fit::new().epochs(2).callback(&mut every).callback(&mut board);
        model.fit(digits(128), fit).unwrap();
        let newest = files(directory.path().join("train")).pop().unwrap();
        let mut read = scalars(&newest);
        read.retain(|(tag, _, _)| tag.starts_with("batch_"));
        // Global steps 3 and 6 are the third of the first epoch and the second of the second.
        let expected = [(3, &every.0[2]), (6, &every.0[5])].map(|(step, values)| {
            values.iter().map(move |(name, value)| (format!("batch_{name}"), step, *value as f32))
        });
        let expected: Vec<_> = expected.into_iter().flatten().collect();
        assert_eq!(read, expected);
        assert_eq!(read.len(), 4, "loss and accuracy, twice");
    }
    assert_eq!(files(directory.path().join("train")).len(), 2, "a file for each fit");
    let none = files(directory.path().join("validation"));
    assert!(none.is_empty(), "nothing was validated, but there is {none:?}");
}

#[test]
fn tensorboard_files_hold_an_epoch_as_soon_as_it_has_ended() {
    let directory = tempfile::tempdir().unwrap();
    let train = directory.path().join("train");
    let mut board = TensorBoard::new(directory.path());
    let mut seen = Vec::new();
    let mut look = LambdaCallback::new().on_epoch_end(|_, _| {
        seen.push(scalars(&only_file(&train)).len());
        Ok(())
    });
    let fit = Fit::new().epochs(3).callback(&mut board).callback(&mut look);
    model().fit(digits(64), fit).unwrap();
    drop(look);
    assert_eq!(seen, [3, 6, 9]);
}

#[test]
fn tensorboard_writes_an_evaluation_by_the_models_steps() {
    let directory = tempfile::tempdir().unwrap();
    let (mut model, data) = (model(), digits(64));
    model.fit(&data, Fit::new()).unwrap();
    let mut board = TensorBoard::new(directory.path());
    let scores = model.evaluate(&data, Evaluate::new().callback(&mut board)).unwrap();
    let values = scores.values();
    let expected = [
        ("evaluation_loss_vs_iterations", 2, values[0].1),
        ("evaluation_accuracy_vs_iterations", 2, values[1].1),
    ];
    assert_eq!(scalars(&only_file(directory.path().join("validation"))), named(&expected));
    assert!(files(directory.path().join("train")).is_empty());
}

#[test]
fn tensorboard_that_cannot_write_says_where_before_a_step_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a file");
    std::fs::write(&file, "").unwrap();
    let mut model = model();
    let mut fit = |mut board: TensorBoard| -> Result<()> {
        let result = model.fit(digits(32), Fit::new().callback(&mut board)).map(drop);
        assert_eq!(model.steps(), 0);
        result
    };
    let error = fit(TensorBoard::new(&file)).unwrap_err();
    assert!(matches!(&error, Error::Io { path, .. } if *path == file.join("train")), "{error}");
    assert!(error.to_string().contains("a file"), "{error}");
    let never = TensorBoard::new(directory.path()).update_freq(Frequency::Batches(0));
    let error = fit(never).unwrap_err().to_string();
    assert_eq!(error, "update_freq: is 0; give at least 1");
}

/// Text with a `T` in place of each time in it.
fn timeless(text: &[u8]) -> String {
    let is_time = |word: &str| {
        let number =
            |digits: &str| !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit());
        let word = word.strip_suffix("/step").unwrap_or(word);
        ["ms", "us", "s"].iter().any(|unit| word.strip_suffix(unit).is_some_and(number))
    };
    let text = std::str::from_utf8(text).unwrap();
    let words = text.split_inclusive([' ', '\n', '\r']).map(|word| match word.trim_end() {
        time if is_time(time) => word.replace(time, "T"),
        _ => word.to_owned(),
    });
    words.collect()
}

fn in_words(values: &[(String, f64)]) -> String {
    values.iter().map(|(name, value)| format!(" - {name}: {value:.4}")).collect()
}

/// The scores of an epoch, as a line of progress shows them.
fn shown(record: &EpochRecord) -> String {
    let names = ["loss", "accuracy", "val_loss", "val_accuracy"];
    let values = names.iter().filter_map(|&name| Some((name.to_owned(), record.value(name)?)));
    in_words(&values.collect::<Vec<_>>())
}

#[test]
fn verbose_line_is_a_line_for_each_epoch() {
    for (epochs, validation_split) in [(2, 0.25), (1, 0.0)] {
        let mut text = Vec::new();
        let mut lines = ProgressBar::to(&mut text, Verbose::Line);
        let fit = Fit::new().epochs(epochs).validation_split(validation_split);
        let history = model().fit(digits(384), fit.callback(&mut lines)).unwrap();
        drop(lines);
        let expected = match &*history.epochs {
            [first, second] => format!(
                "Epoch 1/2\n9/9 - T - T{}\nEpoch 2/2\n9/9 - T - T{}\n",
                shown(first),
                shown(second)
            ),
            [only] => format!("12/12 - T - T{}\n", shown(only)),
            other => panic!("{} epochs", other.len()),
        };
        assert_eq!(timeless(&text), expected);
    }
}

#[test]
fn a_silent_bar_shows_nothing() {
    let mut text = Vec::new();
    let mut silent = ProgressBar::to(&mut text, Verbose::Silent);
    let (mut model, data) = (model(), digits(64));
    model.fit(&data, Fit::new().epochs(2).callback(&mut silent)).unwrap();
    model.evaluate(&data, Evaluate::new().callback(&mut silent)).unwrap();
    model.predict(&data, Predict::new().callback(&mut silent)).unwrap();
    drop(silent);
    assert_eq!(timeless(&text), "");
}

#[test]
fn verbose_bar_is_drawn_over_until_the_epoch_ends() {
    let mut text = Vec::new();
    let mut every = EveryStep::default();
    let mut bar = ProgressBar::to(&mut text, Verbose::Bar);
    // Longer than what may pass between two drawings.
    let mut slow = LambdaCallback::new().on_batch_begin(|_, _| {
        std::thread::sleep(Duration::from_millis(110));
        Ok(())
    });
    let fit = Fit::new().epochs(1).validation_split(0.25);
    let fit = fit.callback(&mut slow).callback(&mut every).callback(&mut bar);
    let history = model().fit(digits(128), fit).unwrap();
    drop(bar);
    let [one, two, three] = [0, 1, 2].map(|step| in_words(&every.0[step]));
    let text = timeless(&text);
    let drawn: Vec<&str> = text.split('\r').map(str::trim_end).collect();
    let last = format!("3/3 [====================] T T{}", shown(&history.epochs[0]));
    let expected = [
        String::new(),
        format!("1/3 [======>.............] T T{one}"),
        format!("2/3 [=============>......] T T{two}"),
        format!("3/3 [====================] T T{three}"),
        last,
    ];
    assert_eq!(drawn, expected);
    assert!(text.ends_with('\n'));
}

#[test]
fn verbose_bar_is_drawn_ten_times_a_second_at_most() {
    let mut text = Vec::new();
    let mut bar = ProgressBar::to(&mut text, Verbose::Bar);
    let begun = Instant::now();
    model().fit(digits(500), Fit::new().batch_size(1).callback(&mut bar)).unwrap();
    let tenths = begun.elapsed().as_millis() as usize / 100;
    drop(bar);
    let drawn = text.iter().filter(|&&byte| byte == b'\r').count();
    assert!((2..=tenths + 2).contains(&drawn), "{drawn} times in {tenths} tenths of a second");
}

#[test]
fn evaluate_and_predict_show_their_steps_and_fit_hides_those_of_its_validation() {
    let (mut model, data) = (model(), digits(96));
    let mut text = Vec::new();
    let mut lines = ProgressBar::to(&mut text, Verbose::Line);
    let history = model.fit(&data, Fit::new().validation_data(&data).callback(&mut lines)).unwrap();
    let scores = model.evaluate(&data, Evaluate::new().callback(&mut lines)).unwrap();
    model.predict(&data, Predict::new().callback(&mut lines)).unwrap();
    drop(lines);
    let expected = format!(
        "3/3 - T - T{}\n3/3 - T - T{}\n3/3 - T - T\n",
        shown(&history.epochs[0]),
        in_words(&scores.values())
    );
    assert_eq!(timeless(&text), expected);
    let mut text = Vec::new();
    let mut bar = ProgressBar::to(&mut text, Verbose::Bar);
    model.predict(&data, Predict::new().callback(&mut bar)).unwrap();
    drop(bar);
    let first = "\r1/3 [======>.............] T T";
    assert!(timeless(&text).starts_with(first), "{:?}", timeless(&text));
    assert!(timeless(&text).ends_with("\r3/3 [====================] T T\n"));
}

/// Fails after so many writes.
struct Closed {
    after: usize,
    asked: usize,
}

impl Write for &mut Closed {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.asked += 1;
        match self.asked <= self.after {
            true => Ok(text.len()),
            false => Err(std::io::ErrorKind::BrokenPipe.into()),
        }
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn output_that_nobody_reads_does_not_end_training() {
    let data = digits(64);
    for verbose in [Verbose::Bar, Verbose::Line] {
        for after in [0, 1] {
            let mut closed = Closed { after, asked: 0 };
            let mut progress = ProgressBar::to(&mut closed, verbose);
            let history = model().fit(&data, Fit::new().epochs(3).callback(&mut progress)).unwrap();
            drop(progress);
            assert_eq!(history.epochs.len(), 3);
            assert_eq!(closed.asked, after + 1, "written to after it failed");
        }
    }
}

#[test]
fn an_error_inside_an_epoch_leaves_the_cursor_at_the_begin_of_a_line() {
    let mut text = Vec::new();
    let mut bar = ProgressBar::to(&mut text, Verbose::Bar);
    let mut fails = LambdaCallback::new().on_batch_end(|_, _| Err(Error::callback("told to")));
    let fit = Fit::new().callback(&mut bar).callback(&mut fails);
    model().fit(digits(64), fit).unwrap_err();
    drop(bar);
    let text = timeless(&text);
    assert!(text.starts_with("\r1/2 [==========>.........] T T - loss: "), "{text:?}");
    assert!(text.ends_with('\n'), "{text:?}");
}

/// This program again, to run only the test called `name`, which finds `variable` set.
fn again(name: &str, variable: &str, value: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture", "--test-threads=1"]).env(variable, value);
    command.stdin(Stdio::null());
    command
}

#[test]
fn the_argument_verbose_shows_on_standard_output_and_silence_is_the_default() {
    const VARIABLE: &str = "MINIBATCH_TEST_VERBOSE";
    if let Ok(verbose) = std::env::var(VARIABLE) {
        let (mut model, data) = (model(), digits(96));
        let (mut fit, mut evaluate, mut predict) =
            (Fit::new().epochs(2), Evaluate::new(), Predict::new());
        if verbose == "auto" {
            fit = fit.verbose(Verbose::Auto);
            evaluate = evaluate.verbose(Verbose::Auto);
            predict = predict.verbose(Verbose::Auto);
        }
        model.fit(&data, fit).unwrap();
        model.evaluate(&data, evaluate).unwrap();
        model.predict(&data, predict).unwrap();
        return;
    }
    let name = "the_argument_verbose_shows_on_standard_output_and_silence_is_the_default";
    // Standard output is a pipe, for which automatic is a line.
    for (verbose, epochs, lines) in [("auto", 2, 4), ("default", 0, 0)] {
        let output = again(name, VARIABLE, verbose).output().unwrap();
        assert!(output.status.success());
        let text = timeless(&output.stdout);
        assert_eq!(text.matches("Epoch ").count(), epochs, "{text}");
        assert_eq!(text.matches("3/3 - T - T").count(), lines, "{text}");
        assert_eq!(text.matches(" - loss: ").count(), lines.saturating_sub(1), "{text}");
        assert!(!text.contains('\r'), "{text}");
    }
}

fn backends() -> [Backend; 2] {
    let gpu = Gpu::new().unwrap_or_else(|error| panic!("{error}"));
    [Backend::from(&Cpu::new()), Backend::from(&gpu)]
}

/// Dropout, momentum and shuffling: what goes on wrongly if anything is not taken up.
fn compiled(units: usize) -> Compiled {
    let sgd = Sgd { learning_rate: 0.05, momentum: 0.9, ..Sgd::default() };
    Sequential::new(Input::pixels(&[28, 28]))
        .dense(units, Activation::Relu)
        .dropout(0.25)
        .dense(10, Activation::Softmax)
        .compile(sgd, Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
        .seed(7)
}

fn stateful(backend: &Backend, units: usize) -> Model {
    compiled(units).build(backend.clone()).unwrap()
}

/// All that outlasts a step: weights, velocities, rate, seed, steps, epochs.
fn state(model: &mut Model) -> Vec<u8> {
    let file = tempfile::NamedTempFile::new().unwrap();
    model.save(file.path()).unwrap();
    std::fs::read(file.path()).unwrap()
}

/// Breaks training off before this step of the model, counted from 1.
fn breaks_at(step: u64) -> LambdaCallback<'static> {
    LambdaCallback::new().on_batch_begin(move |model, _| match model.steps() + 1 == step {
        true => Err(Error::callback("broken off")),
        false => Ok(()),
    })
}

/// Four epochs of five steps, the rate halved after each.
fn four_epochs<'a>(halve: &'a mut LambdaCallback<'_>) -> Fit<'a> {
    Fit::new().epochs(4).callback(halve)
}

fn halving() -> LambdaCallback<'static> {
    LambdaCallback::new().on_epoch_end(|run, _| run.set_learning_rate(run.learning_rate() / 2.0))
}

fn names(directory: impl AsRef<Path>) -> Vec<String> {
    let name = |path: PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    files(directory).into_iter().map(name).collect()
}

#[test]
fn a_broken_run_goes_on_from_its_backup_with_the_same_bits() {
    let data = digits(150);
    for backend in backends() {
        let mut whole = stateful(&backend, 8);
        let uninterrupted = whole.fit(&data, four_epochs(&mut halving())).unwrap();
        let expected = state(&mut whole);
        // Broken before a step of epoch 3, which are 11 to 15: what is left, and what then runs.
        for (frequency, breaks_before, backup, first_epoch, first_step) in [
            (Frequency::Epoch, 11, "after-epoch-2.safetensors", 3, 1),
            (Frequency::Epoch, 14, "after-epoch-2.safetensors", 3, 1),
            (Frequency::Batches(2), 14, "after-epoch-2-step-2-of-5.safetensors", 3, 3),
            (Frequency::Batches(5), 14, "after-epoch-2.safetensors", 3, 1),
            (Frequency::Batches(7), 13, "after-epoch-1-step-2-of-5.safetensors", 2, 3),
        ] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("backup");
            let backup_each = || BackupAndRestore::new(&path).save_freq(frequency);
            let (mut first, mut halve, mut breaks) =
                (backup_each(), halving(), breaks_at(breaks_before));
            let fit = four_epochs(&mut halve).callback(&mut breaks).callback(&mut first);
            stateful(&backend, 8).fit(&data, fit).unwrap_err();
            assert_eq!(names(&path), [backup], "{frequency:?}");

            let mut model = stateful(&backend, 8);
            let mut steps = Vec::new();
            let mut look = LambdaCallback::new().on_batch_begin(|_, step| {
                steps.push(step);
                Ok(())
            });
            let (mut second, mut halve) = (backup_each(), halving());
            let fit = four_epochs(&mut halve).callback(&mut look).callback(&mut second);
            let history = model.fit(&data, fit).unwrap();
            drop(look);
            assert!(state(&mut model) == expected, "{frequency:?}: another model came out");
            let epochs: Vec<u32> = history.epochs.iter().map(|record| record.epoch).collect();
            assert_eq!(epochs, (first_epoch..=4).collect::<Vec<_>>());
            let left = 20 - (first_epoch as usize - 1) * 5 - (first_step - 1);
            assert_eq!((steps[0], steps.len()), (first_step, left), "{frequency:?}");
            // Epochs that ran whole have the scores that they had.
            let last = [&history, &uninterrupted].map(|history| history.epochs.last().unwrap());
            assert_eq!(last[0].training, last[1].training);
            assert!(!path.exists(), "the backup is there after the end");
        }
    }
}

#[test]
fn a_run_broken_in_a_later_fit_of_a_model_goes_on_there() {
    let data = digits(96);
    let directory = tempfile::tempdir().unwrap();
    let backend = Backend::from(&Cpu::new());
    let fit = || Fit::new().epochs(3);
    let mut whole = stateful(&backend, 8);
    for _ in 0..2 {
        whole.fit(&data, fit()).unwrap();
    }
    let mut broken = stateful(&backend, 8);
    broken.fit(&data, fit()).unwrap();
    let mut backup = BackupAndRestore::new(directory.path());
    // Its second epoch: steps 13 to 15 of the model.
    let mut breaks = breaks_at(14);
    broken.fit(&data, fit().callback(&mut breaks).callback(&mut backup)).unwrap_err();
    let mut model = stateful(&backend, 8);
    let mut backup = BackupAndRestore::new(directory.path());
    let history = model.fit(&data, fit().callback(&mut backup)).unwrap();
    assert_eq!(history.epochs.len(), 2);
    assert!(state(&mut model) == state(&mut whole));
}

#[test]
fn a_backup_goes_before_the_initial_epoch() {
    let directory = tempfile::tempdir().unwrap();
    let (data, backend) = (digits(96), Backend::from(&Cpu::new()));
    fn fit<'a>() -> Fit<'a> {
        Fit::new().initial_epoch(1).epochs(4)
    }
    let mut whole = stateful(&backend, 8);
    whole.fit(&data, fit()).unwrap();
    let mut backup = BackupAndRestore::new(directory.path());
    // Epochs 2 and 3 are done.
    let mut breaks = breaks_at(8);
    let broken = fit().callback(&mut breaks).callback(&mut backup);
    stateful(&backend, 8).fit(&data, broken).unwrap_err();
    let mut model = stateful(&backend, 8);
    let history = model.fit(&data, fit().callback(&mut backup)).unwrap();
    assert_eq!((history.epochs.len(), history.epochs[0].epoch), (1, 4));
    assert!(state(&mut model) == state(&mut whole));
}

#[test]
fn the_scores_of_a_broken_epoch_are_those_of_its_other_steps() {
    let directory = tempfile::tempdir().unwrap();
    let (data, backend) = (digits(150), Backend::from(&Cpu::new()));
    let mut every = EveryStep::default();
    stateful(&backend, 8).fit(&data, Fit::new().callback(&mut every)).unwrap();
    let mut backup = BackupAndRestore::new(directory.path()).save_freq(Frequency::Batches(2));
    let mut breaks = breaks_at(4);
    let broken = Fit::new().callback(&mut breaks).callback(&mut backup);
    stateful(&backend, 8).fit(&data, broken).unwrap_err();
    let history = stateful(&backend, 8).fit(&data, Fit::new().callback(&mut backup)).unwrap();
    let actual = history.epochs[0].training.values();
    // Two steps are 64 samples, and the epoch's mean is over 150.
    for ((name, actual), (two, all)) in actual.iter().zip(every.0[1].iter().zip(&every.0[4])) {
        let expected = (150.0 * all.1 - 64.0 * two.1) / 86.0;
        assert!(
            abs_diff_eq!(*actual, expected, epsilon = 1e-5),
            "{name} is {actual}, expected {expected}"
        );
    }
}

#[test]
fn a_backup_that_is_kept_leaves_nothing_to_run_and_more_epochs_go_on_from_it() {
    let directory = tempfile::tempdir().unwrap();
    let (data, backend) = (digits(64), Backend::from(&Cpu::new()));
    let fit = |model: &mut Model, epochs| {
        let mut backup = BackupAndRestore::new(directory.path()).delete_checkpoint(false);
        let mut count = Began::default();
        let fit = Fit::new().epochs(epochs).callback(&mut count).callback(&mut backup);
        let history = model.fit(&data, fit).unwrap();
        assert_eq!(names(directory.path()), [format!("after-epoch-{epochs}.safetensors")]);
        (history.epochs.len(), count.0)
    };
    let mut model = stateful(&backend, 8);
    model.set_metadata("classes", "zero to nine").unwrap();
    assert_eq!(fit(&mut model, 2), (2, [0]), "epochs that ran, those that counted as done");
    let two = state(&mut model);
    let mut fresh = stateful(&backend, 8);
    assert_eq!(fit(&mut fresh, 2), (0, [2]));
    assert_eq!(fresh.metadata("classes"), Some("zero to nine"));
    assert!(state(&mut fresh) == two);
    // One that a kill has kept from being removed.
    std::fs::write(directory.path().join("after-epoch-1.safetensors"), "older").unwrap();
    assert_eq!(fit(&mut fresh, 3), (1, [2]));
    let mut whole = stateful(&backend, 8);
    whole.set_metadata("classes", "zero to nine").unwrap();
    whole.fit(&data, Fit::new().epochs(3)).unwrap();
    assert!(state(&mut fresh) == state(&mut whole));
}

/// Notes how many epochs count as done when training begins.
#[derive(Default)]
struct Began([u32; 1]);

impl Callback for Began {
    fn train_begin(&mut self, _run: &mut dyn Control, train: &TrainStart) -> Result<()> {
        self.0 = [train.initial_epoch];
        Ok(())
    }
}

#[test]
fn the_end_of_training_removes_the_backup_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    for name in [".minibatch-killed", "after-epoch-1.safetensors.txt", "notes"] {
        std::fs::write(directory.path().join(name), "").unwrap();
    }
    let mut backup = BackupAndRestore::new(directory.path());
    // A callback that stops training ends it too.
    let mut stop = LambdaCallback::new().on_epoch_end(|run, _| {
        run.stop();
        Ok(())
    });
    let fit = Fit::new().epochs(2).callback(&mut stop).callback(&mut backup);
    stateful(&Backend::from(&Cpu::new()), 8).fit(digits(32), fit).unwrap();
    assert_eq!(names(directory.path()), ["after-epoch-1.safetensors.txt", "notes"]);
}

#[test]
fn a_backup_that_is_damaged_or_of_another_run_is_refused_before_anything_changes() {
    let data = digits(96);
    let backend = Backend::from(&Cpu::new());
    let directory = tempfile::tempdir().unwrap();
    let mut first = BackupAndRestore::new(directory.path()).save_freq(Frequency::Batches(2));
    let mut breaks = breaks_at(3);
    let fit = Fit::new().callback(&mut breaks).callback(&mut first);
    stateful(&backend, 8).fit(&data, fit).unwrap_err();
    let path = only_file(directory.path());
    let refused = |mut model: Model, batch_size: usize| {
        let before = state(&mut model);
        let mut backup = BackupAndRestore::new(directory.path());
        let fit = Fit::new().batch_size(batch_size).callback(&mut backup);
        let error = model.fit(&data, fit).unwrap_err();
        assert!(state(&mut model) == before, "it changed the model: {error}");
        let Error::ModelFile { path: named, source, .. } = &error else { panic!("{error}") };
        assert_eq!(*named, path);
        (error.to_string(), source.is_some())
    };
    let (error, _) = refused(stateful(&backend, 9), 32);
    assert!(error.contains("model.nodes.2.units is 8 there and 9 here"), "{error}");
    let (error, _) = refused(model(), 32);
    assert!(error.contains("model.nodes are 4 there and 3 here"), "{error}");
    assert!(error.contains("optimizer is {\"sgd\":"), "{error}");
    let (error, _) = refused(stateful(&backend, 8), 16);
    assert!(error.contains("an epoch of 3 steps, and those of this call have 6"), "{error}");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    let (error, has_source) = refused(stateful(&backend, 8), 32);
    assert!(error.contains("not a whole safetensors file") && has_source, "{error}");
}

/// Spoils one bit of the weights in a file.
fn damage(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn of_several_backups_the_last_one_that_is_whole_counts() {
    let (data, backend) = (digits(150), Backend::from(&Cpu::new()));
    let mut whole = stateful(&backend, 8);
    whole.fit(&data, four_epochs(&mut halving())).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("backups");
    let two = || BackupAndRestore::new(&path).save_freq(Frequency::Batches(3)).keep(2);
    assert!(two().latest().unwrap().is_none());
    let (mut first, mut halve, mut breaks) = (two(), halving(), breaks_at(14));
    let fit = four_epochs(&mut halve).callback(&mut breaks).callback(&mut first);
    stateful(&backend, 8).fit(&data, fit).unwrap_err();
    let both = ["after-epoch-1-step-4-of-5.safetensors", "after-epoch-2-step-2-of-5.safetensors"];
    assert_eq!(names(&path), both);

    let found = |names: &[&str]| {
        let found = two().latest().unwrap().unwrap();
        let damaged: Vec<String> = found.damaged.iter().map(ToString::to_string).collect();
        assert_eq!(damaged.len(), names.len());
        for (error, name) in damaged.iter().zip(names) {
            assert!(error.contains(name) && error.contains("checksum is not that"), "{error}");
        }
        (found.epochs, found.steps, found.steps_per_epoch, found.history.len())
    };
    assert_eq!(found(&[]), (2, 2, 5, 2));
    damage(&path.join(both[1]));
    assert_eq!(found(&[both[1]]), (1, 4, 5, 1));

    // The damaged one makes place: it does not count among the two that stay.
    let (mut second, mut halve, mut breaks) = (two(), halving(), breaks_at(13));
    let fit = four_epochs(&mut halve).callback(&mut breaks).callback(&mut second);
    stateful(&backend, 8).fit(&data, fit).unwrap_err();
    assert_eq!(names(&path), [both[0], "after-epoch-2-step-2-of-5.safetensors"]);
    assert_eq!(found(&[]), (2, 2, 5, 2));

    damage(&path.join(both[0]));
    damage(&path.join(both[1]));
    let (mut third, mut model) = (two(), stateful(&backend, 8));
    let before = state(&mut model);
    let error = model.fit(&data, four_epochs(&mut halving()).callback(&mut third)).unwrap_err();
    let Error::ModelFile { path: named, problem, .. } = &error else { panic!("{error}") };
    assert_eq!(*named, path.join(both[1]));
    assert!(problem.contains(both[0]) && problem.contains("no backup is whole"), "{problem}");
    assert!(state(&mut model) == before, "it changed the model: {error}");

    for name in both {
        std::fs::remove_file(path.join(name)).unwrap();
    }
    let (mut last, mut halve) = (two(), halving());
    model.fit(&data, four_epochs(&mut halve).callback(&mut last)).unwrap();
    assert!(state(&mut model) == state(&mut whole), "keeping two backups changed the training");
    assert!(!path.exists());
}

#[test]
fn a_backup_holds_notes_and_the_scores_of_the_epochs_that_are_done() {
    let (data, backend) = (digits(150), Backend::from(&Cpu::new()));
    let directory = tempfile::tempdir().unwrap();
    let notes: std::collections::BTreeMap<_, _> =
        [("data", "150 digits"), ("why", "\"so\"")].map(|(a, b)| (a.into(), b.into())).into();
    let backup = || {
        let backup = BackupAndRestore::new(directory.path()).notes(notes.clone());
        backup.save_freq(Frequency::Batches(2)).delete_checkpoint(false)
    };
    let (mut first, mut breaks) = (backup(), breaks_at(9));
    fn fit<'a>() -> Fit<'a> {
        Fit::new().epochs(3).validation_split(0.2)
    }
    let broken = fit().callback(&mut breaks).callback(&mut first);
    stateful(&backend, 8).fit(&data, broken).unwrap_err();
    // Epochs of four steps: the backup after step 4 waits for the validation.
    let found = first.latest().unwrap().unwrap();
    assert_eq!((found.epochs, found.steps, &found.notes), (2, 0, &notes));
    let mut model = stateful(&backend, 8);
    let history = model.fit(&data, fit().callback(&mut backup())).unwrap();
    let whole = stateful(&backend, 8).fit(&data, fit()).unwrap();
    let done = backup().latest().unwrap().unwrap().history;
    for (index, (record, whole)) in done.iter().zip(&whole.epochs).enumerate() {
        let mut record = record.clone();
        (record.seconds, record.waits) = (whole.seconds, whole.waits);
        assert_eq!(record, *whole, "epoch {}", index + 1);
    }
    assert_eq!((done.len(), history.epochs.len()), (3, 1));
    // Neither is part of the model.
    let mut plain = stateful(&backend, 8);
    plain.fit(&data, fit()).unwrap();
    assert!(state(&mut model) == state(&mut plain));
    assert!(
        state(&mut Model::load(&only_file(directory.path()), &Cpu::new()).unwrap())
            == state(&mut plain)
    );
    backup().remove().unwrap();
    assert!(!directory.path().exists());
}

#[test]
fn backups_by_time_are_of_whole_steps_and_change_nothing() {
    let (data, backend) = (digits(150), Backend::from(&Cpu::new()));
    let directory = tempfile::tempdir().unwrap();
    let mut whole = stateful(&backend, 8);
    whole.fit(&data, four_epochs(&mut halving())).unwrap();
    let backup = |time| BackupAndRestore::new(directory.path()).save_freq(Frequency::Time(time));
    // Each step lasts longer than the least time; none lasts an hour.
    let broken = |time| {
        let (mut backup, mut halve, mut breaks) = (backup(time), halving(), breaks_at(9));
        let fit = four_epochs(&mut halve).callback(&mut breaks).callback(&mut backup);
        stateful(&backend, 8).fit(&data, fit).unwrap_err();
        names(directory.path())
    };
    assert_eq!(broken(Duration::from_secs(3600)), [""; 0]);
    assert_eq!(broken(Duration::from_nanos(1)), ["after-epoch-1-step-3-of-5.safetensors"]);
    let mut model = stateful(&backend, 8);
    let (mut backup_each, mut halve) = (backup(Duration::from_nanos(1)), halving());
    let history = model.fit(&data, four_epochs(&mut halve).callback(&mut backup_each)).unwrap();
    assert_eq!((history.epochs.len(), history.epochs[0].resumed_after), (3, 3));
    assert!(state(&mut model) == state(&mut whole));
    let error = model.fit(&data, Fit::new().callback(&mut backup(Duration::ZERO))).unwrap_err();
    assert_eq!(error.to_string(), "save_freq: is no time; give more than 0 seconds");
    let mut none = BackupAndRestore::new(directory.path()).keep(0);
    let error = model.fit(&data, Fit::new().callback(&mut none)).unwrap_err();
    assert_eq!(error.to_string(), "keep: is 0; give at least 1");
}

#[test]
fn a_run_that_a_callback_stopped_inside_an_epoch_goes_on_there() {
    let (data, backend) = (digits(150), Backend::from(&Cpu::new()));
    let mut whole = stateful(&backend, 8);
    whole.fit(&data, Fit::new().epochs(4)).unwrap();
    for frequency in [Frequency::Epoch, Frequency::Batches(4), Frequency::Batches(100)] {
        let directory = tempfile::tempdir().unwrap();
        let backup = || {
            BackupAndRestore::new(directory.path()).save_freq(frequency).delete_checkpoint(false)
        };
        let mut stop = LambdaCallback::new().on_batch_end(|run, _| {
            if run.steps() == 12 {
                run.stop();
            }
            Ok(())
        });
        let mut first = backup();
        let fit = Fit::new().epochs(4).callback(&mut stop).callback(&mut first);
        stateful(&backend, 8).fit(&data, fit).unwrap();
        assert_eq!(names(directory.path()), ["after-epoch-2-step-2-of-5.safetensors"]);
        assert_eq!(first.latest().unwrap().unwrap().history.len(), 2, "a broken epoch counts");
        let mut model = stateful(&backend, 8);
        model.fit(&data, Fit::new().epochs(4).callback(&mut backup())).unwrap();
        assert!(state(&mut model) == state(&mut whole), "{frequency:?}");
        assert_eq!(names(directory.path()), ["after-epoch-4.safetensors"]);
    }
}

#[test]
fn what_is_no_number_is_not_backed_up() {
    let directory = tempfile::tempdir().unwrap();
    let mut backup = BackupAndRestore::new(directory.path()).save_freq(Frequency::Batches(1));
    let mut model = stateful(&Backend::from(&Cpu::new()), 8);
    // Set after the third step, so that no loss has told of it yet.
    let mut spoil = LambdaCallback::new().on_batch_end(|run, _| {
        if run.steps() == 3 {
            run.set_learning_rate(f64::MAX)?;
        }
        Ok(())
    });
    let fit = Fit::new().callback(&mut spoil).callback(&mut backup);
    let error = model.fit(digits(320), fit).unwrap_err();
    assert!(matches!(error, Error::NonFinite { step: 4, .. }), "{error}");
    assert_eq!(names(directory.path()), ["after-epoch-0-step-3-of-10.safetensors"]);
}

#[test]
fn a_model_restores_what_one_of_its_kind_has_saved() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.safetensors");
    let data = digits(96);
    for backend in backends() {
        let mut trained = stateful(&backend, 8);
        trained.fit(&data, Fit::new().epochs(2)).unwrap();
        trained.save(&path).unwrap();
        // Rate and seed are those of the file afterwards.
        let mut model = compiled(8).seed(8).build(backend.clone()).unwrap();
        model.set_learning_rate(0.5).unwrap();
        model.fit(&data, Fit::new()).unwrap();
        model.restore(&path).unwrap();
        assert!(state(&mut model) == state(&mut trained));
        for model in [&mut model, &mut trained] {
            model.fit(&data, Fit::new()).unwrap();
        }
        assert!(state(&mut model) == state(&mut trained));
    }
    let missing = directory.path().join("none");
    let error = model().restore(&missing).unwrap_err();
    assert!(matches!(error, Error::Io { path, .. } if path == missing));
}

/// Says that all steps of an epoch are done.
struct Overdone;

impl Callback for Overdone {
    fn resume(&mut self, _run: &mut dyn Control, train: &TrainStart) -> Result<Option<Resume>> {
        Ok(Some(Resume::new(0, train.steps.unwrap())))
    }
}

/// Goes on after the first step of an epoch, and notes the batch hooks: 2 to begin with step 2, -3
/// to end with step 3.
#[derive(Default)]
struct AfterOne(Vec<i32>);

impl Callback for AfterOne {
    fn resume(&mut self, _run: &mut dyn Control, _train: &TrainStart) -> Result<Option<Resume>> {
        Ok(Some(Resume::new(0, 1)))
    }
    fn batch_begin(&mut self, _run: &mut dyn Control, step: usize) -> Result<()> {
        self.0.push(step as i32);
        Ok(())
    }
    fn batch_end(&mut self, _run: &mut dyn Control, step: StepEnd) -> Result<()> {
        self.0.push(-(step.step as i32));
        Ok(())
    }
}

#[test]
fn a_run_that_goes_on_inside_a_group_of_steps_begins_with_the_rest_of_it() {
    let mut model = compiled(8).steps_per_execution(2).build(&Cpu::new()).unwrap();
    let mut hooks = AfterOne::default();
    let fit = Fit::new().batch_size(8).callback(&mut hooks);
    model.fit(digits(40), fit).unwrap();
    assert_eq!(hooks.0, [2, -2, 3, -4, 5, -5]);
    assert_eq!(model.steps(), 4);
}

#[test]
fn an_epoch_cannot_go_on_after_its_last_step() {
    let mut model = model();
    let error = model.fit(digits(64), Fit::new().callback(&mut Overdone)).unwrap_err();
    let expected = "resume: says that 2 steps of an epoch are done, which has 2";
    assert_eq!((error.to_string().as_str(), model.steps()), (expected, 0));
}

#[test]
fn a_run_that_was_killed_goes_on_with_the_same_bits() {
    const NAME: &str = "a_run_that_was_killed_goes_on_with_the_same_bits";
    const VARIABLE: &str = "MINIBATCH_TEST_KILL";
    // Between two epochs, and inside of one.
    let runs = [(Frequency::Epoch, 11), (Frequency::Batches(2), 14)];
    let train = |backend: &Backend, path: &Path, frequency, hangs_before: u64| {
        let mut model = stateful(backend, 8);
        let mut backup = BackupAndRestore::new(path).save_freq(frequency);
        let mut hang = LambdaCallback::new().on_batch_begin(|run, _| {
            if run.steps() + 1 == hangs_before {
                println!("\nwaiting");
                std::thread::sleep(Duration::from_secs(60));
                std::process::exit(1);
            }
            Ok(())
        });
        let mut halve = halving();
        let fit = four_epochs(&mut halve).callback(&mut hang).callback(&mut backup);
        model.fit(digits(150), fit).unwrap();
        state(&mut model)
    };
    if let Ok(told) = std::env::var(VARIABLE) {
        let (number, path) = told.split_once(' ').unwrap();
        let number: usize = number.parse().unwrap();
        let (frequency, hangs_before) = runs[number / 2];
        train(&backends()[number % 2], Path::new(path), frequency, hangs_before);
        unreachable!("it was to hang and to be killed");
    }
    let directory = tempfile::tempdir().unwrap();
    for (number, backend) in [backends(), backends()].iter().flatten().enumerate() {
        let (frequency, _) = runs[number / 2];
        let path = directory.path().join(number.to_string());
        let told = format!("{number} {}", path.display());
        let mut child = again(NAME, VARIABLE, told).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == "waiting"), "it ended by itself");
        // SIGKILL, on Unix.
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(names(&path).len(), 1);
        let resumed = train(backend, &path, frequency, 0);
        let whole = train(backend, &path, frequency, 0);
        assert!(resumed == whole, "{frequency:?} on {backend:?}: another model came out");
    }
}

/// Two epochs, the second one validated.
fn history() -> History {
    let scores = |loss| Scores::new(loss, [("accuracy".into(), 0.5)]);
    let record = |epoch, validation| {
        let mut record = EpochRecord::new(epoch, scores(1.5));
        record.validation = validation;
        (record.learning_rate, record.seconds) = (0.001, 2.0);
        record
    };
    History::new(vec![record(1, None), record(2, Some(scores(1.25)))])
}

#[test]
fn values_have_keras_names() {
    let record = &history().epochs[1];
    let named = ["loss", "accuracy", "val_loss", "learning_rate", "val_mse"];
    let values = named.map(|name| record.value(name));
    assert_eq!(values, [Some(1.5), Some(0.5), Some(1.25), Some(0.001), None]);
    assert_eq!(history().epochs[0].value("val_loss"), None);
}

#[test]
fn the_json_has_each_value_under_its_name() {
    let expected = serde_json::json!({"epochs": [
        {"epoch": 1, "loss": 1.5, "accuracy": 0.5, "learning_rate": 0.001, "seconds": 2.0},
        {"epoch": 2, "loss": 1.5, "accuracy": 0.5, "val_loss": 1.25, "val_accuracy": 0.5,
         "learning_rate": 0.001, "seconds": 2.0},
    ]});
    let read = |history: &History| -> serde_json::Value {
        serde_json::from_str(&history.to_json()).unwrap()
    };
    assert_eq!(read(&history()), expected);
    let mut broken = history();
    broken.epochs[1].validation = Some(Scores::new(f64::NAN, []));
    assert_eq!(read(&broken)["epochs"][1]["val_loss"], serde_json::Value::Null);
}

#[test]
fn the_csv_leaves_out_what_is_not_there() {
    let mut history = history();
    assert_eq!(
        history.to_csv(),
        "epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds\n\
         1,1.5,0.5,,,0.001,2\n2,1.5,0.5,1.25,0.5,0.001,2\n"
    );
    history.epochs.pop();
    assert_eq!(history.to_csv(), "epoch,loss,accuracy,learning_rate,seconds\n1,1.5,0.5,0.001,2\n");
}

/// A run that nobody controls.
struct Idle;

impl Control for Idle {
    fn steps(&self) -> u64 {
        0
    }

    fn learning_rate(&self) -> f64 {
        0.0
    }

    fn set_learning_rate(&mut self, _learning_rate: f64) -> Result<()> {
        Ok(())
    }

    fn stop(&mut self) {}

    fn request(&mut self, request: Request) {
        panic!("{request:?} is asked for");
    }
}

/// Scores of 0.5 under so many names, the loss among them.
fn halves(names: usize) -> Scores {
    Scores::new(0.5, vec![("a_value".to_owned(), 0.5); names - 1])
}

#[test]
fn numbers_are_shown_as_python_shows_them() {
    // As Python's "%.4f" and "%.4e" give them.
    for (value, expected) in [
        (0.34, "0.3400"),
        (-12.3456789, "-12.3457"),
        (0.00101, "0.0010"),
        (0.001, "1.0000e-03"),
        (3.4e-5, "3.4000e-05"),
        (-1.5e-120, "-1.5000e-120"),
        (0.0, "0.0000e+00"),
        (f64::INFINITY, "inf"),
    ] {
        let mut text = Vec::new();
        let record = EpochRecord::new(1, Scores::new(value, []));
        ProgressBar::to(&mut text, Verbose::Line).epoch_end(&mut Idle, &record).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.ends_with(&format!(" - loss: {expected}\n")), "{text}");
    }
}

#[test]
fn a_line_covers_the_one_below_and_fits_a_terminal_until_it_stays() {
    let mut text = Vec::new();
    let mut progress = ProgressBar::to(&mut text, Verbose::Bar);
    progress.epoch_begin(&mut Idle, EpochStart::new(1, 1, 10)).unwrap();
    for names in [1, 5, 3, 1] {
        progress.scores(StepEnd::new(1, 32), &halves(names));
    }
    progress.epoch_end(&mut Idle, &EpochRecord::new(1, halves(5))).unwrap();
    drop(progress);
    let text = String::from_utf8(text).unwrap();
    let drawn: Vec<&str> = text.split('\r').skip(1).collect();
    // "10/10 [] 0s 0us/step" and the bar: at least 40 signs, and 15 or 18 for each value. A line of
    // a terminal has 80.
    let full: Vec<bool> = drawn.iter().map(|line| line.len() == 79).collect();
    assert_eq!(full, [false, true, true, true, false], "{drawn:?}");
    assert!(drawn[3].trim_end().ends_with("/step - loss: 0.5000"), "{:?}", drawn[3]);
    assert!(drawn[4].len() > 79 && drawn[4].ends_with(" - a_value: 0.5000\n"));
}
