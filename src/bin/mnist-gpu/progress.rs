//! What training shows while it runs, by Keras' verbosity: 0 nothing, 1 a bar for the epoch at
//! hand and a line for each one done, 2 only the lines.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use minibatch::callbacks::SomeSteps;
use minibatch::distributed::Process;
use minibatch::training::{
    Callback, Control, EpochRecord, EpochStart, Scores, StepEnd, TrainStart,
};

use crate::print;

/// How often the bar's scores are read from the device, which makes training wait for a moment.
const REFRESH: Duration = Duration::from_millis(150);

/// How often that is done in an epoch of a distributed run, where all processes read the scores together.
const REFRESHES: usize = 20;

/// The verbosity when none is named. The bar is drawn on standard error.
pub(crate) fn default_verbosity() -> u8 {
    if std::io::stderr().is_terminal() { 1 } else { 2 }
}

/// Shows the epochs as they go; of the processes of a distributed run, the first does.
pub(crate) struct Progress {
    verbosity: u8,
    /// Whether a bar was asked for, or left to the terminal to decide, of which each process has its own.
    may_draw: bool,
    process: Process,
    /// The steps after which a distributed run reads the scores.
    some_steps: SomeSteps,
    epoch: EpochStart,
    begun: Instant,
    bar: ProgressBar,
    refreshed: Instant,
    scores: String,
    step: usize,
    /// Samples of this run's steps of this epoch, and the seconds that they took.
    trained: (usize, f64),
    /// Steps of this epoch that an earlier run has made.
    steps_before: usize,
    begins: bool,
}

impl Progress {
    /// With the verbosity that was asked for.
    pub(crate) fn new(asked: Option<u8>) -> Self {
        let now = Instant::now();
        let verbosity = asked.unwrap_or_else(default_verbosity);
        let bar = if verbosity == 1 { ProgressBar::new(0) } else { ProgressBar::hidden() };
        Progress {
            verbosity,
            may_draw: matches!(asked, None | Some(1)),
            process: Process::ALONE,
            some_steps: SomeSteps::new(REFRESHES, None),
            epoch: EpochStart::new(0, 0, 0),
            begun: now,
            bar,
            refreshed: now,
            scores: String::new(),
            step: 0,
            trained: (0, 0.0),
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
    fn train_begin(&mut self, run: &mut dyn Control, start: &TrainStart) -> minibatch::Result<()> {
        self.process = run.process();
        if !self.process.is_first() {
            self.verbosity = 0;
            self.bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        self.epoch = EpochStart::new(start.initial_epoch, start.epochs, start.steps);
        match start.micro_batch_size {
            Some(rows) if self.verbosity > 0 => {
                let text = match start.shards {
                    Some(shards) => format!("shards: {shards} of {rows} rows make a batch"),
                    None => format!("micro-batches: {rows} rows of a batch at a time"),
                };
                print::line(&text).map_err(|error| minibatch::Error::callback(error.to_string()))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn epoch_begin(&mut self, _run: &mut dyn Control, epoch: EpochStart) -> minibatch::Result<()> {
        (self.epoch, self.begins, self.steps_before) = (epoch, true, 0);
        self.begun = Instant::now();
        self.trained = (0, 0.0);
        self.some_steps = SomeSteps::new(REFRESHES, epoch.steps);
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
        match self.process.count {
            1 => !self.bar.is_hidden() && (step.step == 1 || self.refreshed.elapsed() >= REFRESH),
            _ => self.may_draw && self.some_steps.includes(step.step),
        }
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
        self.trained = (step.samples, self.begun.elapsed().as_secs_f64());
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
            if self.process.count > 1 {
                let (samples, seconds) = self.trained;
                let speed = samples as f64 / seconds.max(1e-9);
                let waited = 100.0 * record.waits.for_exchange;
                line =
                    format!("{line} - {speed:.0} samples/s - {waited:.0}% waiting for processes");
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

    /// A run in one of two processes.
    struct Run(usize);

    impl Control for Run {
        fn steps(&self) -> u64 {
            0
        }
        fn process(&self) -> Process {
            Process { rank: self.0, count: 2 }
        }
        fn learning_rate(&self) -> f64 {
            0.1
        }
        fn set_learning_rate(&mut self, _learning_rate: f64) -> minibatch::Result<()> {
            Ok(())
        }
        fn stop(&mut self) {}
        fn request(&mut self, request: minibatch::training::Request) {
            panic!("{request:?} is asked for");
        }
    }

    #[test]
    fn the_bar_of_each_process_wants_scores_after_the_same_steps() {
        // Nothing asked for, which the terminal of each decides; a bar; only lines.
        for (asked, times) in [(None, 20), (Some(1), 20), (Some(2), 0), (Some(0), 0)] {
            let wanted = [0, 1].map(|rank| {
                let mut progress = Progress::new(asked);
                let start = TrainStart::new(0, 1, 1875, Vec::new());
                progress.train_begin(&mut Run(rank), &start).unwrap();
                progress.epoch_begin(&mut Run(rank), EpochStart::new(1, 1, 1875)).unwrap();
                if rank == 1 {
                    assert!(progress.bar.is_hidden() && progress.verbosity == 0);
                }
                let steps = (1..=1875).map(|step| StepEnd::new(step, step * 64));
                steps
                    .filter(|&step| progress.wants_scores(step))
                    .map(|step| step.step)
                    .collect::<Vec<_>>()
            });
            assert_eq!(wanted[0].len(), times);
            assert_eq!(wanted[0], wanted[1]);
        }
    }
}
