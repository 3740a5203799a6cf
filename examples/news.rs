//! Which class a text is of: from CSV files to the accuracy on texts that were held out, as in Google's
//! guide to text classification. Terms of one or two words, weighed by tf-idf, go as sparse rows into
//! a network of two layers with dropout.
//! `cargo run --release --example news -- DIRECTORY [--save FILE] [--backend gpu|cpu] [--seed N]`
//!
//! The directory holds `train.csv` (or `train_subset.csv`) and `test.csv`: no header, the class from 1
//! first, text in all further columns; and maybe `classes.txt` with a class's name on each line. AG
//! News, DBPedia, Amazon and Yelp come like that. Each batch is read from the file and made into rows
//! when it is needed, so that memory does not grow with the file.
//!
//! A model that was saved takes plain text: `mnist-gpu predict --model FILE --text "..."`.

use std::error::Error;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use minibatch::data::text::{
    CLASS_NAMES_KEY, ClassifiedText, TextFile, TextSettings, VECTORIZER_KEY,
};
use minibatch::model::Input;
use minibatch::training::Backend;
use minibatch::{Activation, Adam, Cpu, Evaluate, Fit, Gpu, Loss, Metric, Sequential, Verbose};

const USAGE: &str =
    "usage: news DIRECTORY [--save FILE.safetensors] [--backend gpu|cpu] [--seed N]";
const UNITS: usize = 64;
const DROPOUT: f64 = 0.2;
const BATCH_SIZE: usize = 128;
const EPOCHS: u32 = 5;
/// Every tenth training text is held out to see how the epochs go. The test texts are seen once.
const HELD_OUT: usize = 10;

#[derive(Default)]
pub(crate) struct Arguments {
    pub(crate) directory: PathBuf,
    pub(crate) save: Option<PathBuf>,
    /// `gpu` or `cpu`; a GPU if there is one, unless it is told.
    pub(crate) backend: Option<String>,
    pub(crate) seed: u64,
}

fn main() -> ExitCode {
    let accuracy = Arguments::parse(std::env::args_os().skip(1)).and_then(|it| run(&it));
    match accuracy {
        Ok(accuracy) => {
            println!("test accuracy: {accuracy:.4}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The accuracy on the test texts.
pub(crate) fn run(arguments: &Arguments) -> Result<f64, Box<dyn Error>> {
    let start = Instant::now();
    let (train, test) = open(&arguments.directory)?;
    let names = class_names(&arguments.directory, train.classes())?;
    println!(
        "{} training texts, {} test texts, {} classes: {}",
        train.len(),
        test.len(),
        train.classes(),
        names.join(", ")
    );

    // From the texts that are trained on alone: the choice of the terms looks at the classes.
    let texts = ClassifiedText::open(train.path())?.enumerate();
    let trained_on = texts.filter(|(row, _)| row % HELD_OUT != HELD_OUT - 1).map(|(_, text)| text);
    let vectorizer = Arc::new(TextSettings::new().fit(trained_on)?);
    println!(
        "{} terms, up to {} in a text; read in {:.1} s",
        vectorizer.features(),
        vectorizer.row_values(),
        start.elapsed().as_secs_f64()
    );
    let (training, validation) = train.source(Arc::clone(&vectorizer))?.split_every(HELD_OUT)?;

    let network = Sequential::new(Input::sparse(vectorizer.features(), vectorizer.row_values()))
        .dense(UNITS, Activation::Relu)
        .dropout(DROPOUT)
        .dense(train.classes(), Activation::Softmax);
    println!("{}", network.summary());
    let mut model = network
        .compile(Adam::new(0.001), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
        .seed(arguments.seed)
        .build(backend(arguments.backend.as_deref())?)?;
    let fit = Fit::new().batch_size(BATCH_SIZE).epochs(EPOCHS).validation_data(&validation);
    model.fit(&training, fit.verbose(Verbose::Line))?;
    let scores = model
        .evaluate(&test.source(Arc::clone(&vectorizer))?, Evaluate::new().batch_size(BATCH_SIZE))?;

    if let Some(file) = &arguments.save {
        model.set_metadata(VECTORIZER_KEY, vectorizer.to_json()?)?;
        model.set_metadata(CLASS_NAMES_KEY, serde_json::to_string(&names)?)?;
        model.save(file)?;
        println!("saved in {}", file.display());
    }
    println!("{:.1} s in all", start.elapsed().as_secs_f64());
    Ok(scores.accuracy().unwrap_or_default())
}

/// The training texts and the test texts, both read once and found to be whole.
fn open(directory: &Path) -> Result<(TextFile, TextFile), Box<dyn Error>> {
    let all = directory.join("train.csv");
    let train = if all.exists() { all } else { directory.join("train_subset.csv") };
    let test = directory.join("test.csv");
    for (path, expected) in [(&train, "train.csv or train_subset.csv"), (&test, "test.csv")] {
        if !path.exists() {
            return Err(minibatch::Error::MissingFile {
                directory: directory.into(),
                missing: expected.into(),
                expected: "a row there is a class from 1, and texts".into(),
            }
            .into());
        }
    }
    let (train, test) = (TextFile::open(train)?, TextFile::open(test)?);
    let shown = train.path().display();
    if train.classes() < 2 {
        return Err(format!("{shown}: all texts are of class 1; there is nothing to tell").into());
    }
    if train.len() < HELD_OUT {
        return Err(format!("{shown}: has {} rows; give at least {HELD_OUT}", train.len()).into());
    }
    if test.classes() > train.classes() {
        let [test_classes, train_classes] = [test.classes(), train.classes()];
        let test = test.path().display();
        return Err(format!("{test}: has class {test_classes}; {shown} has {train_classes}").into());
    }
    Ok((train, test))
}

/// What the classes are called: what `classes.txt` says, or else their numbers.
fn class_names(directory: &Path, classes: usize) -> Result<Vec<String>, Box<dyn Error>> {
    let path = directory.join("classes.txt");
    if !path.exists() {
        return Ok((1..=classes).map(|class| class.to_string()).collect());
    }
    let text = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let text = String::from_utf8_lossy(&text);
    let names: Vec<String> =
        text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect();
    if names.len() != classes {
        let (path, names) = (path.display(), names.len());
        return Err(format!("{path}: has {names} names for {classes} classes").into());
    }
    Ok(names)
}

fn backend(wanted: Option<&str>) -> Result<Backend, Box<dyn Error>> {
    let backend = match wanted {
        Some("cpu") => Backend::from(&Cpu::new()),
        Some("gpu") => Backend::from(&Gpu::new()?),
        Some(_) => return Err(USAGE.into()),
        // A software adapter computes on the CPU as well, only slower.
        None => match Gpu::new() {
            Ok(gpu) if !gpu.is_software() => Backend::from(&gpu),
            Ok(_) | Err(_) => Backend::from(&Cpu::new()),
        },
    };
    match &backend {
        Backend::Gpu(gpu) => println!("on {}", gpu.describe()),
        _ => println!("on the CPU"),
    }
    Ok(backend)
}

impl Arguments {
    fn parse(mut given: impl Iterator<Item = OsString>) -> Result<Self, Box<dyn Error>> {
        let mut arguments = Arguments::default();
        while let Some(argument) = given.next() {
            let mut value = || given.next().ok_or(USAGE);
            match argument.to_str() {
                Some("--save") => arguments.save = Some(value()?.into()),
                Some("--backend") => {
                    arguments.backend = Some(value()?.to_string_lossy().into_owned());
                }
                Some("--seed") => {
                    arguments.seed = value()?.to_str().ok_or(USAGE)?.parse().map_err(|_| USAGE)?;
                }
                Some(flag) if flag.starts_with('-') => return Err(USAGE.into()),
                _ if arguments.directory.as_os_str().is_empty() => {
                    arguments.directory = argument.into();
                }
                _ => return Err(USAGE.into()),
            }
        }
        if arguments.directory.as_os_str().is_empty() { Err(USAGE.into()) } else { Ok(arguments) }
    }
}
