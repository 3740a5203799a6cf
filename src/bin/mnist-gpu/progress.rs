//! What training shows while it runs, by Keras' verbosity: 0 nothing, 1 a bar for the epoch at
//! hand and a line for each one done, 2 only the lines.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use minibatch::training::{
    Callback, Control, EpochRecord, EpochStart, Scores, StepEnd, TrainStart,
};

use crate::print;

/// How often the bar's scores are read from the device, which makes training wait for a moment.
const REFRESH: Duration = Duration::from_millis(150);

/// The verbosity when none is named. The bar is drawn on standard error.
pub(crate) fn default_verbosity() -> u8 {
    if std::io::stderr().is_terminal() { 1 } else { 2 }
}

/// Shows the epochs as they go.
pub(crate) struct Progress {
    verbosity: u8,
    epoch: EpochStart,
    begun: Instant,
    bar: ProgressBar,
    refreshed: Instant,
    scores: String,
    step: usize,
    /// Steps of this epoch that an earlier run has made.
    steps_before: usize,
    begins: bool,
}

impl Progress {
    pub(crate) fn new(verbosity: u8) -> Self {
        let now = Instant::now();
        let bar = if verbosity == 1 { ProgressBar::new(0) } else { ProgressBar::hidden() };
        Progress {
            verbosity,
            epoch: EpochStart::new(0, 0, 0),
            begun: now,
            bar,
            refreshed: now,
            scores: String::new(),
            step: 0,
            steps_before: 0,
            begins: false,
        }
    }

    /// The bar, which is hidden if there is none to show.
    pub(crate) fn bar(&self) -> ProgressBar {
        self.bar.clone()
    }

    /// Steps in each epoch, once training has begun; of data of unknown length, those of the last one.
    pub(crate) fn steps_per_epoch(&self) -> usize {
        self.epoch.steps.unwrap_or(self.step)
    }
}

impl Callback for Progress {
    fn train_begin(&mut self, _run: &mut dyn Control, start: &TrainStart) -> minibatch::Result<()> {
        self.epoch = EpochStart::new(start.initial_epoch, start.epochs, start.steps);
        match start.micro_batch_size {
            Some(rows) if self.verbosity > 0 => {
                let text = format!("micro-batches: {rows} rows of a batch at a time");
                print::line(&text).map_err(|error| minibatch::Error::callback(error.to_string()))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn epoch_begin(&mut self, _run: &mut dyn Control, epoch: EpochStart) -> minibatch::Result<()> {
        (self.epoch, self.begins, self.steps_before) = (epoch, true, 0);
        self.begun = Instant::now();
        self.scores.clear();
        self.bar.reset();
        // In one line they would not fit 80 columns.
        let template = match epoch.steps {
            Some(_) => "{prefix} [{wide_bar}] {pos}/{len}\n    {msg}",
            None => "{prefix} {pos}/Unknown\n    {msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style.progress_chars("=> "));
        }
        self.bar.set_length(epoch.steps.unwrap_or_default() as u64);
        self.bar.set_message("");
        self.bar.set_prefix(format!("Epoch {}/{}", epoch.epoch, epoch.epochs));
        Ok(())
    }

    fn batch_begin(&mut self, _run: &mut dyn Control, step: usize) -> minibatch::Result<()> {
        if std::mem::take(&mut self.begins) {
            self.steps_before = step.saturating_sub(1);
        }
        Ok(())
    }

    fn wants_scores(&mut self, step: StepEnd) -> bool {
        !self.bar.is_hidden() && (step.step == 1 || self.refreshed.elapsed() >= REFRESH)
    }

    fn scores(&mut self, step: StepEnd, scores: &Scores) {
        self.refreshed = Instant::now();
        self.scores = in_words("", scores);
        let seconds = self.begun.elapsed().as_secs_f64().max(1e-9);
        let speed = step.samples as f64 / seconds;
        let mut message = format!("{} - {speed:.0} samples/s", self.scores);
        if let Some(steps) = self.epoch.steps {
            let made = step.step.saturating_sub(self.steps_before).max(1);
            let left = seconds / made as f64 * steps.saturating_sub(step.step) as f64;
            message = format!("{message} - {} left", duration(left));
        }
        self.bar.set_message(message);
    }

    fn batch_end(&mut self, _run: &mut dyn Control, step: StepEnd) -> minibatch::Result<()> {
        self.step = step.step;
        self.bar.set_position(step.step as u64);
        Ok(())
    }

    fn epoch_end(&mut self, _run: &mut dyn Control, record: &EpochRecord) -> minibatch::Result<()> {
        self.bar.finish_and_clear();
        if self.verbosity > 0 {
            let mut line = format!(
                "Epoch {}/{} - {} - {}",
                self.epoch.epoch,
                self.epoch.epochs,
                duration(record.seconds),
                in_words("", &record.training)
            );
            if let Some(validation) = &record.validation {
                line = format!("{line} - {}", in_words("val_", validation));
            }
            if record.resumed_after > 0 {
                let all = self.epoch.steps.map_or_else(String::new, |steps| format!("/{steps}"));
                line = format!("{line} (from step {}{all} on)", record.resumed_after + 1);
            }
            if let Some(steps) = self.epoch.steps.filter(|&steps| self.step < steps) {
                line = format!("{line} (stopped at step {}/{steps})", self.step);
            }
            // A reader that is gone is no reason to stop learning; the end of the program tells.
            let _ = print::line(&line);
        }
        Ok(())
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        // An error may end training inside an epoch.
        self.bar.finish_and_clear();
    }
}

/// `loss: 0.2567 - accuracy: 0.9259`.
pub(crate) fn in_words(prefix: &str, scores: &Scores) -> String {
    let loss = format!("{prefix}loss: {:.4}", scores.loss);
    match (scores.accuracy(), scores.value("mae")) {
        (Some(accuracy), _) => format!("{loss} - {prefix}accuracy: {accuracy:.4}"),
        (None, Some(error)) => format!("{loss} - {prefix}mae: {error:.4}"),
        (None, None) => loss,
    }
}

/// `0.4s`, `12s`, `3m05s`.
pub(crate) fn duration(seconds: f64) -> String {
    if seconds < 9.95 {
        return format!("{seconds:.1}s");
    }
    let whole = seconds.round() as u64;
    if whole < 60 { format!("{whole}s") } else { format!("{}m{:02}s", whole / 60, whole % 60) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_and_durations_read_as_in_keras() {
        let scores = Scores::new(0.25674, [("accuracy".into(), 0.92591)]);
        assert_eq!(in_words("val_", &scores), "val_loss: 0.2567 - val_accuracy: 0.9259");
        let shown = [0.04, 9.94, 9.96, 59.4, 59.6, 185.0].map(duration);
        assert_eq!(shown, ["0.0s", "9.9s", "10s", "59s", "1m00s", "3m05s"]);
    }
}
