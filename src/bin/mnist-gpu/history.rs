//! The file of `--history`: written by `train`, read by `show`.

use std::ffi::OsStr;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use minibatch::atomic_write;
use minibatch::training::{EpochRecord, History, Scores};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// How a history is written, by the file's extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Csv,
}

impl Format {
    /// # Errors
    /// If the file's name ends in neither.
    pub(crate) fn of(path: &Path) -> anyhow::Result<Self> {
        let extension = path.extension().map(OsStr::to_ascii_lowercase);
        match extension.as_ref().and_then(|extension| extension.to_str()) {
            Some("json") => Ok(Format::Json),
            Some("csv") => Ok(Format::Csv),
            _ => bail!("give a file name that ends in .json or .csv"),
        }
    }
}

/// A training run.
#[derive(Debug, Serialize)]
pub(crate) struct Run {
    #[serde(flatten)]
    pub history: History,
    /// `None` if training was ended by Ctrl-C.
    pub test: Option<Scores>,
    pub adapter: String,
    pub backend: &'static str,
    pub seed: u64,
    pub batch_size: usize,
    pub steps_per_epoch: usize,
}

impl Run {
    /// Writes it; the file is whole, or as it was. A `.csv` holds the epochs only.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let text = match Format::of(path)? {
            Format::Json => serde_json::to_string_pretty(self)? + "\n",
            Format::Csv => self.history.to_csv(),
        };
        Ok(atomic_write(path, text.as_bytes())?)
    }
}

/// The epochs in a file that `--history` or
/// [`CsvLogger`](minibatch::callbacks::CsvLogger) has written. A value that was not finite is NaN.
///
/// # Errors
/// If it cannot be read, or holds no epochs; in a `.csv`, with the line.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<EpochRecord>> {
    let read = Format::of(path).and_then(|format| {
        let text = std::fs::read_to_string(path).context("cannot be read")?;
        let epochs = match format {
            Format::Json => from_json(&text)?,
            Format::Csv => from_csv(&text)?,
        };
        ensure!(!epochs.is_empty(), "has no epochs");
        Ok(epochs)
    });
    read.with_context(|| path.display().to_string())
}

fn from_json(text: &str) -> anyhow::Result<Vec<EpochRecord>> {
    #[derive(Deserialize)]
    struct Epochs {
        epochs: Vec<Map<String, Value>>,
    }
    let Epochs { epochs } = serde_json::from_str(text).context("is no history")?;
    let records = (1..).zip(epochs).map(|(place, epoch)| {
        let values = epoch.into_iter().map(|(name, value)| match value {
            Value::Number(number) => Ok((name, number.as_f64().unwrap_or(f64::NAN))),
            Value::Null => Ok((name, f64::NAN)),
            _ => bail!("{name} is {value}, expected a number"),
        });
        let values = values.collect::<anyhow::Result<Vec<_>>>();
        values.and_then(record).with_context(|| format!("entry {place} of its epochs"))
    });
    records.collect()
}

fn from_csv(text: &str) -> anyhow::Result<Vec<EpochRecord>> {
    let mut lines = (1..).zip(text.lines());
    let (_, header) = lines.next().context("is empty")?;
    let names: Vec<&str> = header.split(',').map(str::trim).collect();
    let records = lines.filter(|(_, line)| !line.trim().is_empty()).map(|(number, line)| {
        let cells: Vec<&str> = line.split(',').map(str::trim).collect();
        let as_expected = cells.len() == names.len();
        let cells = names.iter().zip(&cells).filter(|(_, cell)| !cell.is_empty());
        let values = cells.map(|(name, cell)| {
            let value = cell.parse().with_context(|| format!("{name} is {cell:?}"))?;
            Ok(((*name).to_owned(), value))
        });
        let values = values.collect::<anyhow::Result<Vec<_>>>().and_then(|values| {
            ensure!(as_expected, "has not as many values as line 1 has names");
            record(values)
        });
        values.with_context(|| format!("line {number}"))
    });
    records.collect()
}

/// An epoch of its values under their names.
fn record(values: Vec<(String, f64)>) -> anyhow::Result<EpochRecord> {
    let value =
        |wanted: &str| values.iter().find(|(name, _)| name == wanted).map(|&(_, value)| value);
    let epoch = value("epoch").context("has no epoch")?;
    ensure!(
        (0.0..=f64::from(u32::MAX)).contains(&epoch) && epoch.fract() == 0.0,
        "its epoch is {epoch}"
    );
    let loss = value("loss").context("has no loss")?;
    let (learning_rate, seconds) = (value("learning_rate"), value("seconds"));
    let validation_loss = value("val_loss");
    let (mut training, mut validation) = (Vec::new(), Vec::new());
    for (name, value) in values {
        match name.as_str() {
            "epoch" | "loss" | "val_loss" | "learning_rate" | "seconds" => {}
            _ => match name.strip_prefix("val_") {
                Some(name) => validation.push((name.to_owned(), value)),
                None => training.push((name, value)),
            },
        }
    }
    let mut record = EpochRecord::new(epoch as u32, Scores::new(loss, training));
    let validated = validation_loss.is_some() || !validation.is_empty();
    record.validation =
        validated.then(|| Scores::new(validation_loss.unwrap_or(f64::NAN), validation));
    record.learning_rate = learning_rate.unwrap_or(f64::NAN);
    record.seconds = seconds.unwrap_or(f64::NAN);
    Ok(record)
}
