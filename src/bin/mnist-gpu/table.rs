//! Tables: CSV files, of which one column is learned from the others.

use std::ffi::OsStr;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use minibatch::Model;
use minibatch::data::{
    Csv, CsvFile, CsvMissing, CsvSchema, CsvType, Source as Samples, Values, Visit,
};
use minibatch::model::Normalization;
use serde::{Deserialize, Serialize};

use crate::args::{self, Data};
use crate::network::Output;
use crate::source::{self, Source};

/// The share of the rows that is held out for the test where no other table is.
const HELD_OUT: f64 = 0.2;

/// A table of up to so many bytes, as floats, is kept in memory.
const MOST_IN_MEMORY: usize = 256 << 20;

/// So many columns are named; of more, only the kinds are counted.
const MOST_NAMED: usize = 20;

/// The key of a model's metadata that says which table it is of.
const KEY: &str = "table";

/// A table that is learned from.
pub(crate) struct Table {
    /// One line: the types of the columns, and what is learned.
    pub columns: String,
    pub output: Output,
    pub standardize: Normalization,
    about: About,
}

/// What a model's file says of its table.
#[derive(Serialize, Deserialize)]
pub(crate) struct About {
    pub schema: CsvSchema,
    target: String,
    /// The names of the classes, from class 0 on; none for a value.
    pub classes: Vec<String>,
    /// The rows that were not learned from, if they are of the same table.
    held_out: Option<HeldOut>,
}

#[derive(Serialize, Deserialize)]
struct HeldOut {
    seed: u64,
    rows: usize,
    checksum: Option<u32>,
}

/// The table that `--data` names, if it names one and no directory.
pub(crate) fn path(data: &Data) -> Option<&Path> {
    let path = data.path.as_deref()?;
    (is_named_csv(path) || path.is_file()).then_some(path)
}

fn is_named_csv(path: &Path) -> bool {
    let extension = path.extension().map(OsStr::to_ascii_lowercase);
    extension.is_some_and(|extension| extension == "csv") && !path.is_dir()
}

/// Opens the table at `path` for training.
///
/// # Errors
/// If it cannot be read, its target is not named, or an argument does not fit it.
pub(crate) fn open(path: &Path, args: &args::Train) -> anyhow::Result<(Table, Source)> {
    let args::Table { target, test } = &args.table;
    let csv = Csv::new(path).missing(CsvMissing::Mean);
    let Some(target) = target else {
        let file = csv.open().context("--data")?;
        let names: Vec<&str> = file.columns().map(|column| column.name.as_str()).collect();
        bail!(
            "--data {}: is a table; name with --target what to learn: {}",
            path.display(),
            names.join(", ")
        );
    };
    ensure!(args.augment.is_none(), "--augment: changes images, and the data are a table");
    let file = csv.target(target).open().with_context(|| format!("--target {target}"))?;
    let checksum = file.source().checksum()?;
    let seed = args.data.seed;
    let (train, test, held_out) = match test {
        Some(test) => {
            let test = file.like(test).context("--test")?;
            (rows(&file, args.reading.stream)?, rows(&test, args.reading.stream)?, None)
        }
        None => {
            ensure!(
                !args.reading.stream,
                "--stream: the rows for the test are drawn from all of the table, which a stream \
                 cannot do; give --test FILE.csv, or leave out --stream"
            );
            let (train, test) = split(&file, seed)?;
            (train, test, Some(HeldOut { seed, rows: file.len(), checksum }))
        }
    };
    let buffer = args.reading.stream.then(|| source::buffer(&args.reading));
    ensure!(
        buffer.is_some() || args.reading.shuffle_buffer.is_none(),
        "--shuffle-buffer: all samples are shuffled, as nothing is streamed; give --stream too"
    );
    let (output, classes) = output(&file, &train, target)?;
    let mut note =
        format!("data: {} ({}), named by --data", path.display(), source::sizes(&train, &test),);
    if held_out.is_some() {
        note.push_str("; a fifth of the rows is held out for the test");
    }
    if let Some(samples) = buffer {
        note = format!("{note}; {}", source::streamed(samples));
    }
    let standardize = standardize(&file, &train)?;
    let columns = describe(&file, target, output);
    let about = About { schema: file.schema(), target: target.clone(), classes, held_out };
    let source = Source { train, test, in_memory: None, buffer, note };
    Ok((Table { columns, output, standardize, about }, source))
}

impl Table {
    /// Keeps in the model what it needs to read other tables.
    ///
    /// # Errors
    /// If that is too long for a model's file.
    pub(crate) fn note_in(&self, model: &mut Model) -> anyhow::Result<()> {
        let text = serde_json::to_string(&self.about)?;
        model.set_metadata(KEY, text).context("the table has too many categories to be saved")
    }
}

/// What a model's file says of the table that it was trained on; `None` for a model of images.
///
/// # Errors
/// If that is damaged.
pub(crate) fn of(model: &Model) -> anyhow::Result<Option<About>> {
    let about = model.metadata(KEY).map(serde_json::from_str).transpose();
    about.context("what the model says of its table cannot be read")
}

impl About {
    /// The rows of the table at `path` for a test: if the model was trained on a part of that table,
    /// the rest. The second is a line about it.
    ///
    /// # Errors
    /// If it cannot be read, or is no table like that of the training.
    pub(crate) fn test(&self, path: &Path) -> anyhow::Result<(Samples, String)> {
        let file = self.schema.open(path).context("--data")?;
        let name = path.display();
        if let Some(held_out) = &self.held_out {
            let same =
                file.len() == held_out.rows && file.source().checksum()? == held_out.checksum;
            if same {
                let (_, test) = split(&file, held_out.seed)?;
                let rows = test.len().unwrap_or_default();
                let note = format!(
                    "data: {name} ({rows} of {} rows: those that training held out), named by \
                     --data",
                    file.len()
                );
                return Ok((test, note));
            }
        }
        Ok((rows(&file, false)?, format!("data: {name} ({} rows), named by --data", file.len())))
    }

    /// What the model learned to tell.
    pub(crate) fn target(&self) -> &str {
        &self.target
    }
}

/// The rows in their order; in memory if they are few and not `streamed`.
fn rows(file: &CsvFile, streamed: bool) -> anyhow::Result<Samples> {
    let fields = file.source().fields();
    let width: usize = fields.columns().map(|(_, field)| field.width()).sum();
    let bytes = width.saturating_mul(4).saturating_mul(file.len());
    Ok(match (streamed, bytes <= MOST_IN_MEMORY) {
        (true, _) => file.stream(),
        (false, true) => file.stream().cache()?,
        (false, false) => file.source(),
    })
}

/// The rows for training, and those for the test.
fn split(file: &CsvFile, seed: u64) -> anyhow::Result<(Samples, Samples)> {
    ensure!(
        file.len() >= 5,
        "a fifth of {} rows is none: name another table for the test with --test",
        file.len()
    );
    Ok(rows(file, false)?.shuffle_once(seed)?.split_last(HELD_OUT)?)
}

/// What is to come out, and the names of the classes.
fn output(file: &CsvFile, train: &Samples, target: &str) -> anyhow::Result<(Output, Vec<String>)> {
    let fields = file.source().fields();
    let field = fields.targets().first().context("the table has no target")?;
    if let Some(classes) = field.classes {
        ensure!(
            classes > 1,
            "--target {target}: is the same in all rows; there is nothing to learn"
        );
        return Ok((Output::Classes(classes), field.class_names.clone()));
    }
    let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
    for batch in train.batches(1024, &Visit::default())? {
        if let Some(Values::F32(values)) = batch?.target("") {
            for &value in values {
                count += 1.0;
                let before = f64::from(value) - mean;
                mean += before / count;
                squares += before * (f64::from(value) - mean);
            }
        }
    }
    let deviation = f64::sqrt(squares / f64::max(count, 1.0));
    // One that is constant is not scaled. A normalization counts no variance below 1e-14, of which
    // the inverse of this one's would be one.
    let deviation = if deviation > 1e-15 { deviation.min(1e7) } else { 1.0 };
    Ok((Output::Value { mean, deviation }, Vec::new()))
}

/// Brings numbers to mean 0 and variance 1, and leaves categories as they are: one that is in no row
/// of the training data would be infinitely far from their mean.
fn standardize(file: &CsvFile, train: &Samples) -> anyhow::Result<Normalization> {
    let mut layer = Normalization::adapt(train)?;
    let mut places = layer.mean.iter_mut().zip(&mut layer.variance);
    for column in file.columns().filter(|column| !column.is_target) {
        let (width, number) = match column.kind {
            CsvType::Number | CsvType::Byte => (1, true),
            CsvType::Category => (column.categories.len(), false),
            _ => (0, false),
        };
        for (mean, variance) in places.by_ref().take(width) {
            if !number {
                (*mean, *variance) = (0.0, 1.0);
            } else if *variance == 0.0 {
                *variance = 1.0;
            }
        }
    }
    Ok(layer)
}

/// The types that were inferred, and what is learned by which loss.
fn describe(file: &CsvFile, target: &str, output: Output) -> String {
    let names = |wanted: fn(CsvType) -> bool| -> Vec<String> {
        let columns = file.columns().filter(|column| !column.is_target && wanted(column.kind));
        let named = columns.map(|column| match column.kind {
            CsvType::Category => format!("{} ({})", column.name, column.categories.len()),
            _ => column.name.clone(),
        });
        named.collect()
    };
    let kinds = [
        ("number", "numbers", names(|kind| matches!(kind, CsvType::Number | CsvType::Byte))),
        ("category", "categories", names(|kind| kind == CsvType::Category)),
        ("column without values", "columns without values", names(|kind| kind == CsvType::Ignored)),
    ];
    let kinds = kinds.iter().filter(|(.., names)| !names.is_empty()).map(|(one, many, names)| {
        let count = match names.len() {
            1 => format!("1 {one}"),
            count => format!("{count} {many}"),
        };
        if names.len() > MOST_NAMED { count } else { format!("{count}: {}", names.join(", ")) }
    });
    let mut line = format!("columns: {}", kinds.collect::<Vec<_>>().join("; "));
    match file.missing_values() {
        0 => {}
        1 => line.push_str("; 1 value is missing: a number counts as its column's mean"),
        missing => line.push_str(&format!(
            "; {missing} values are missing: numbers count as their column's mean"
        )),
    }
    line + &match output {
        Output::Classes(classes) => {
            format!("; target {target}: {classes} classes, by softmax and cross-entropy")
        }
        Output::Value { .. } => format!("; target {target}: a number, by mean squared error"),
    }
}
