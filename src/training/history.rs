//! The record of a run, epoch by epoch.

use serde::Serialize;
use serde::ser::SerializeMap;

use super::scores::Scores;

/// One epoch. As in Keras, loss and accuracy are running values: the values of each batch are those
/// before its own update.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct EpochRecord {
    /// From 1.
    pub epoch: u32,
    /// The scores on the samples of the epoch.
    pub training: Scores,
    /// The scores on the validation samples, after the epoch; `None` if it was not validated.
    pub validation: Option<Scores>,
    /// The rate of the epoch's last step.
    pub learning_rate: f64,
    /// Duration of the epoch, validation included.
    pub seconds: f64,
    /// Steps of this epoch that an earlier call of fit had made before it broke off: scores and
    /// seconds are of the steps after them. 0 unless a [`Resume`](super::Resume) said otherwise.
    pub resumed_after: usize,
    /// How the loading of the data and the device have waited for each other.
    pub waits: Waits,
}

/// How long the two sides of training have waited for each other, as shares of the time that an
/// epoch's steps took: 0 to 1. Both are near 0 where data come as fast as the device takes them.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub struct Waits {
    /// The share of the time in which the next batch was not there: what loading in other threads
    /// (`workers`), or more of them, can save. Without workers, all loading is waited for.
    pub for_data: f64,
    /// The share of the time in which the workers had nothing to do, as enough batches were read
    /// ahead; 0 without workers.
    pub for_device: f64,
    /// The share of the time in which this process waited for the other processes of a distributed run
    /// and for what they send; 0 in any other run.
    pub for_exchange: f64,
}

/// What [`EpochRecord::resumed_after`] is called where it is written, if it is not 0.
const RESUMED_AFTER: &str = "resumed_after_step";

impl EpochRecord {
    /// An epoch with this number and these scores, without validation; learning rate, seconds,
    /// `resumed_after` and waits are 0.
    #[must_use]
    pub fn new(epoch: u32, training: Scores) -> Self {
        EpochRecord {
            epoch,
            training,
            validation: None,
            learning_rate: 0.0,
            seconds: 0.0,
            resumed_after: 0,
            waits: Waits::default(),
        }
    }

    /// Each value under Keras' name for it: those of the training, those of the validation with
    /// `val_` in front, `learning_rate`, `seconds`.
    pub fn values(&self) -> Vec<(String, f64)> {
        let validation = self.validation.iter().flat_map(Scores::values);
        let mut values = self.training.values();
        values.extend(validation.map(|(name, value)| (format!("val_{name}"), value)));
        values.push(("learning_rate".into(), self.learning_rate));
        values.push(("seconds".into(), self.seconds));
        values
    }

    /// The value of that name; `None` if it is not among [`values`](Self::values).
    #[must_use]
    pub fn value(&self, name: &str) -> Option<f64> {
        self.values().into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The epoch's number and the values called `names`, as one line of CSV; a value that is not
    /// there is left empty.
    pub(super) fn csv_line(&self, names: &[String], separator: char) -> String {
        let text = |name: &String| match name.as_str() {
            RESUMED_AFTER if self.resumed_after > 0 => self.resumed_after.to_string(),
            name => self.value(name).map_or_else(String::new, |value| value.to_string()),
        };
        csv(self.epoch.to_string(), names.iter().map(text), separator)
    }
}

/// The header line for [`EpochRecord::csv_line`].
pub(super) fn csv_header(names: &[String], separator: char) -> String {
    csv("epoch".to_owned(), names.iter().cloned(), separator)
}

fn csv(first: String, others: impl Iterator<Item = String>, separator: char) -> String {
    others.fold(first, |line, text| format!("{line}{separator}{text}")) + "\n"
}

impl Serialize for EpochRecord {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("epoch", &self.epoch)?;
        for (name, value) in self.values() {
            map.serialize_entry(&name, &value)?;
        }
        if self.resumed_after > 0 {
            map.serialize_entry(RESUMED_AFTER, &self.resumed_after)?;
        }
        map.end()
    }
}

/// The epochs of a run, which [`fit`](super::Model::fit) returns.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[non_exhaustive]
pub struct History {
    /// Every epoch that ran, in order.
    pub epochs: Vec<EpochRecord>,
    /// True if a callback ended training early.
    #[serde(skip)]
    pub stopped: bool,
    /// What the processes have exchanged; `None` unless the run was
    /// [distributed](super::Fit::distribute).
    #[serde(skip)]
    pub exchange: Option<Exchange>,
}

/// What a process has sent to the others in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exchange {
    /// How many processes there are.
    pub processes: usize,
    /// Bytes of gradients that this one has sent.
    pub bytes_sent: u64,
    /// Steps in which it did.
    pub steps: u64,
    /// Bytes of all gradients together, as they are exchanged in a step.
    pub gradient_bytes: u64,
}

impl History {
    /// A history of these epochs, not stopped by a callback.
    #[must_use]
    pub fn new(epochs: Vec<EpochRecord>) -> Self {
        History { epochs, stopped: false, exchange: None }
    }

    /// `{"epochs": [{"epoch": 1, "loss": ...}, ...]}`: of each epoch its number and its
    /// [`values`](EpochRecord::values), and `resumed_after_step` if it is not 0. A value that is not
    /// a finite number is `null`.
    #[must_use]
    pub fn to_json(&self) -> String {
        format!("{:#}\n", serde_json::json!({ "epochs": self.epochs }))
    }

    /// A line of names, `epoch,loss,...`, and a line for each epoch; what was not measured in an
    /// epoch is left empty there. The last is `resumed_after_step`, if an epoch has one.
    pub fn to_csv(&self) -> String {
        // Epochs differ only in whether they were validated: the longest has every name.
        let longest = self.epochs.iter().map(EpochRecord::values).max_by_key(Vec::len);
        let mut names: Vec<String> =
            longest.unwrap_or_default().into_iter().map(|(name, _)| name).collect();
        if self.epochs.iter().any(|record| record.resumed_after > 0) {
            names.push(RESUMED_AFTER.to_owned());
        }
        let lines = self.epochs.iter().map(|record| record.csv_line(&names, ','));
        [csv_header(&names, ',')].into_iter().chain(lines).collect()
    }
}
