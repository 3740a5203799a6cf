//! What a sweep has measured: a row for each run, and all of it as JSON.

use minibatch::training::GradientNoise;
use minibatch::{History, Scores};
use serde::Serialize;
use serde::ser::SerializeMap;

use super::probe::Uncertainty;

/// One run.
#[derive(Debug)]
pub(super) struct Row {
    pub batch_size: usize,
    pub learning_rate: f64,
    /// Steps made, and steps in an epoch of all samples.
    pub steps: u64,
    pub steps_per_epoch: usize,
    pub step_seconds: f64,
    pub samples_per_second: f64,
    pub device_bytes: u64,
    /// `None` if the loss stopped being a number.
    pub ended: Option<Ended>,
    /// `None` if no run has ended well yet.
    pub gradient: Option<Uncertainty>,
    /// The gradient's noise, averaged over the run.
    pub noise: GradientNoise,
    /// Epochs done at each record of the history.
    pub epochs: Vec<f64>,
    pub history: History,
}

/// What the weights at the end of a run are worth.
#[derive(Debug)]
pub(super) struct Ended {
    pub training: Scores,
    pub test: Scores,
    pub sharpness: f64,
}

impl Ended {
    /// Accuracy on the training data less that on the test data.
    pub(super) fn gap(&self) -> f64 {
        let [training, test] = [&self.training, &self.test].map(Scores::accuracy);
        training.unwrap_or(f64::NAN) - test.unwrap_or(f64::NAN)
    }
}

/// The names above the columns of [`Row::line`].
pub(super) fn heading() -> String {
    columns([
        "batch",
        "steps/epoch",
        "ms/step",
        "s/epoch",
        "samples/s",
        "MiB",
        "loss",
        "accuracy",
        "test",
        "gap",
        "sharpness",
        "noise",
    ])
}

const WIDTHS: [usize; 12] = [6, 11, 8, 7, 9, 7, 7, 8, 7, 7, 9, 7];

fn columns<T: AsRef<str>>(cells: [T; 12]) -> String {
    let padded = cells.iter().zip(WIDTHS).map(|(cell, width)| format!("{:>width$}", cell.as_ref()));
    padded.collect::<Vec<_>>().join(" ")
}

impl Row {
    pub(super) fn epoch_seconds(&self) -> f64 {
        self.step_seconds * self.steps_per_epoch as f64
    }

    /// The run in one line of the table.
    pub(super) fn line(&self) -> String {
        let number = |value: f64, digits: usize| format!("{value:.digits$}");
        let percent = |value: f64, digits: usize| format!("{:.digits$}%", 100.0 * value);
        let Row { batch_size, steps_per_epoch, device_bytes, samples_per_second, .. } = self;
        let [mut loss, mut accuracy, mut test, mut gap, mut sharpness] =
            ["diverged", "-", "-", "-", "-"].map(str::to_owned);
        if let Some(ended) = &self.ended {
            let of = |scores: &Scores| percent(scores.accuracy().unwrap_or(f64::NAN), 2);
            loss = number(ended.training.loss, 4);
            [accuracy, test] = [of(&ended.training), of(&ended.test)];
            gap = percent(ended.gap(), 2);
            sharpness = percent(ended.sharpness, 3);
        }
        let noise = self.gradient.map_or_else(|| "-".into(), |noise| percent(noise.measured, 0));
        columns([
            batch_size.to_string(),
            steps_per_epoch.to_string(),
            number(self.step_seconds * 1e3, 3),
            number(self.epoch_seconds(), 2),
            number(*samples_per_second, 0),
            number(*device_bytes as f64 / f64::from(1 << 20), 2),
            loss,
            accuracy,
            test,
            gap,
            sharpness,
            noise,
        ])
    }
}

impl Serialize for Row {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("batch_size", &self.batch_size)?;
        map.serialize_entry("learning_rate", &self.learning_rate)?;
        map.serialize_entry("steps", &self.steps)?;
        map.serialize_entry("steps_per_epoch", &self.steps_per_epoch)?;
        map.serialize_entry("step_ms", &(self.step_seconds * 1e3))?;
        map.serialize_entry("epoch_seconds", &self.epoch_seconds())?;
        map.serialize_entry("samples_per_second", &self.samples_per_second)?;
        map.serialize_entry("device_bytes", &self.device_bytes)?;
        map.serialize_entry("diverged", &self.ended.is_none())?;
        let ended = self.ended.as_ref();
        map.serialize_entry("training", &ended.map(|ended| &ended.training))?;
        map.serialize_entry("test", &ended.map(|ended| &ended.test))?;
        map.serialize_entry("generalization_gap", &ended.map(Ended::gap))?;
        map.serialize_entry("sharpness", &ended.map(|ended| ended.sharpness))?;
        map.serialize_entry("gradient_uncertainty", &self.gradient)?;
        map.serialize_entry("gradient_noise_scale", &self.noise.scale())?;
        map.serialize_entry("epochs", &self.epochs)?;
        map.serialize_entry("history", &self.history)?;
        map.end()
    }
}

/// All of it.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub runs: Vec<Row>,
    pub gradient_noise_scale: Option<f64>,
    pub suggested_batch_size: Option<usize>,
    pub reason: String,
    pub equal: &'static str,
    pub linear_scaling: bool,
    pub training_samples: usize,
    pub adapter: String,
    pub backend: &'static str,
    pub seed: u64,
}
