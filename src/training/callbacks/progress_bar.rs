//! Progress on a terminal.

use std::io::{IsTerminal, Stdout, Write};
use std::time::Duration;

use super::some_steps::SomeSteps;
use crate::clock::Instant;
use crate::distributed::Process;
use crate::error::Result;
use crate::training::callback::{Callback, EpochStart, StepEnd, TrainStart};
use crate::training::control::Control;
use crate::training::history::{EpochRecord, History};
use crate::training::predictions::Predictions;
use crate::training::scores::Scores;
use crate::training::send::WasmNotSend;
use crate::training::verbose::Verbose;

/// How often the bar is drawn, and the scores for it are read from the device, which makes training
/// wait for a moment.
const REFRESH: Duration = Duration::from_millis(100);
/// How often that is done in an epoch of a distributed run, where all processes read the scores together.
const REFRESHES: usize = 20;
/// Characters of the bar.
const WIDTH: usize = 20;
/// Characters of a line that is drawn over: a longer one would wrap, and stay on the screen.
const COLUMNS: usize = 79;

/// Shows the epochs as they go, as Keras does by its `verbose`;
/// [`Fit::verbose`](crate::Fit::verbose) adds one.
///
/// ```text
/// Epoch 1/5
///   12/1875 [>...................] 3s 2ms/step - loss: 0.3400 - accuracy: 0.9100
/// ```
///
/// While an epoch runs, the line is drawn over again, at most ten times a second, and shows the
/// time left; at its end it shows the time taken, and the scores of the validation. `Epoch 1/5` is
/// left out if one epoch was asked for. The time of a step leaves out the first one.
///
/// In a distributed run the first process shows the samples of all processes, the line is drawn some
/// twenty times an epoch, and its last form tells how many samples a second were trained on, and the
/// share of the time in which the processes waited for each other ([`Waits::for_exchange`](crate::training::Waits)).
///
/// Output that fails, as into a pipe that nobody reads any more, ends the output and not the
/// training. Added to [`Evaluate`](crate::Evaluate) or [`Predict`](crate::Predict) it shows their
/// steps; in `fit`, the validation shows no bar of its own.
#[derive(Debug)]
pub struct ProgressBar<W: Write = Stdout> {
    /// Never [`Verbose::Auto`].
    verbose: Verbose,
    /// Whether a bar was asked for, or left to the terminal to decide, of which each process has its own.
    may_draw: bool,
    process: Process,
    /// `None` once writing has failed.
    output: Option<W>,
    training: bool,
    /// `None` if it is not known.
    steps: Option<usize>,
    step: usize,
    started: Instant,
    /// The first step's number, and when it was done.
    first: Option<(usize, Instant)>,
    /// Samples of the steps so far, and when the last one was done.
    trained: (usize, Instant),
    /// The steps after which scores are wanted in a distributed run.
    some_steps: SomeSteps,
    drawn: Instant,
    /// Characters of the unfinished line in which the cursor stands.
    open_line: usize,
}

impl ProgressBar {
    /// On standard output.
    #[must_use]
    pub fn new(verbose: Verbose) -> Self {
        let output = std::io::stdout();
        let shown = match verbose {
            Verbose::Auto if output.is_terminal() => Verbose::Bar,
            verbose => verbose,
        };
        let may_draw = matches!(verbose, Verbose::Auto | Verbose::Bar);
        let mut bar = Self::to(output, shown);
        bar.may_draw = may_draw;
        bar
    }
}

impl<W: Write> ProgressBar<W> {
    /// On `output`; [`Verbose::Auto`] is [`Verbose::Line`] there.
    pub fn to(output: W, verbose: Verbose) -> Self {
        let now = Instant::now();
        ProgressBar {
            verbose: if verbose == Verbose::Auto { Verbose::Line } else { verbose },
            may_draw: verbose == Verbose::Bar,
            process: Process::ALONE,
            output: Some(output),
            training: false,
            steps: None,
            step: 0,
            started: now,
            first: None,
            trained: (0, now),
            some_steps: SomeSteps::new(REFRESHES, None),
            drawn: now,
            open_line: 0,
        }
    }

    fn begin(&mut self, steps: Option<usize>) {
        (self.steps, self.step) = (steps, 0);
        (self.started, self.first) = (Instant::now(), None);
        self.trained = (0, self.started);
        self.some_steps = SomeSteps::new(REFRESHES, steps);
    }

    fn step_done(&mut self, step: StepEnd) {
        self.step = step.step;
        self.trained = (step.samples, Instant::now());
        if self.first.is_none() {
            self.first = Some((step.step, Instant::now()));
        }
    }

    /// Whether the bar is on the screen.
    fn draws(&self) -> bool {
        self.verbose == Verbose::Bar && self.output.is_some() && self.process.is_first()
    }

    fn is_due(&self) -> bool {
        self.draws() && (self.first.is_none() || self.drawn.elapsed() >= REFRESH)
    }

    /// Whether scores are wanted after this step: in all processes, or in none.
    fn wants(&mut self, step: StepEnd) -> bool {
        match self.process.count {
            0 | 1 => self.is_due(),
            _ => self.may_draw && self.some_steps.includes(step.step),
        }
    }

    /// Draws the line of the current step over the one drawn before.
    fn draw(&mut self, step: usize, values: &[(String, f64)]) {
        if !self.draws() {
            return;
        }
        let each = self.seconds_per_step(step);
        // Of what has no known end, the time so far is shown.
        let time = self.steps.map_or_else(
            || self.started.elapsed().as_secs_f64(),
            |steps| each * steps.saturating_sub(step) as f64,
        );
        let line = format!(
            "{} {} {} {}{}",
            count(step, self.steps),
            bar(step, self.steps),
            clock(time),
            time_per_step(each),
            named_values(values)
        );
        let line: String = line.chars().take(COLUMNS).collect();
        self.write(&format!("\r{line:<0$}", self.open_line));
        self.open_line = line.chars().count();
        self.drawn = Instant::now();
    }

    /// Draws the last line, which stays on the screen. `more` is added to it as it is.
    fn finish(&mut self, values: &[(String, f64)], more: &str) {
        let (step, steps) = (self.step, self.steps);
        let time = format!("{:.0}s", self.started.elapsed().as_secs_f64());
        let each = time_per_step(self.seconds_per_step(step));
        let (count, values) = (count(step, steps), named_values(values) + more);
        match self.verbose {
            Verbose::Bar => {
                let line = format!("{count} {} {time} {each}{values}", bar(step, steps));
                self.write(&format!("\r{line:<0$}\n", self.open_line));
            }
            Verbose::Line => self.write(&format!("{count} - {time} - {each}{values}\n")),
            Verbose::Silent | Verbose::Auto => {}
        }
        self.open_line = 0;
    }

    fn seconds_per_step(&self, step: usize) -> f64 {
        match self.first {
            // The first step also compiles and allocates.
            Some((first, done)) if step > first => {
                done.elapsed().as_secs_f64() / (step - first) as f64
            }
            _ => self.started.elapsed().as_secs_f64() / step.max(1) as f64,
        }
    }

    /// What a distributed run tells besides: ` - 8123 samples/s - 12% waiting for processes`.
    fn together(&self, record: &EpochRecord) -> String {
        if self.process.count < 2 {
            return String::new();
        }
        let (samples, done) = self.trained;
        let seconds = done.duration_since(self.started).as_secs_f64().max(1e-9);
        let speed = samples as f64 / seconds;
        let waited = 100.0 * record.waits.for_exchange;
        format!(" - {speed:.0} samples/s - {waited:.0}% waiting for processes")
    }

    fn write(&mut self, text: &str) {
        if self.process.is_first()
            && let Some(output) = &mut self.output
            && output.write_all(text.as_bytes()).and_then(|()| output.flush()).is_err()
        {
            self.output = None;
        }
    }
}

impl<W: Write + WasmNotSend> Callback for ProgressBar<W> {
    fn train_begin(&mut self, run: &mut dyn Control, _train: &TrainStart) -> Result<()> {
        (self.training, self.process) = (true, run.process());
        Ok(())
    }

    fn epoch_begin(&mut self, _run: &mut dyn Control, epoch: EpochStart) -> Result<()> {
        self.begin(epoch.steps);
        if self.verbose != Verbose::Silent && epoch.epochs > 1 {
            self.write(&format!("Epoch {}/{}\n", epoch.epoch, epoch.epochs));
        }
        Ok(())
    }

    fn wants_scores(&mut self, step: StepEnd) -> bool {
        self.wants(step)
    }

    fn scores(&mut self, step: StepEnd, scores: &Scores) {
        self.draw(step.step, &scores.values());
    }

    fn batch_end(&mut self, _run: &mut dyn Control, step: StepEnd) -> Result<()> {
        self.step_done(step);
        Ok(())
    }

    fn epoch_end(&mut self, _run: &mut dyn Control, record: &EpochRecord) -> Result<()> {
        let mut values = record.values();
        values.retain(|(name, _)| name != "learning_rate" && name != "seconds");
        let together = self.together(record);
        self.finish(&values, &together);
        Ok(())
    }

    fn train_end(&mut self, _run: &mut dyn Control, _history: &History) -> Result<()> {
        self.training = false;
        Ok(())
    }

    fn test_begin(&mut self, run: &mut dyn Control, steps: Option<usize>) -> Result<()> {
        if !self.training {
            self.process = run.process();
            self.begin(steps);
        }
        Ok(())
    }

    fn wants_test_scores(&mut self, step: StepEnd) -> bool {
        !self.training && self.wants(step)
    }

    fn test_scores(&mut self, step: StepEnd, scores: &Scores) {
        if !self.training {
            self.draw(step.step, &scores.values());
        }
    }

    fn test_batch_end(&mut self, _run: &mut dyn Control, step: StepEnd) -> Result<()> {
        if !self.training {
            self.step_done(step);
        }
        Ok(())
    }

    fn test_end(&mut self, _run: &mut dyn Control, scores: &Scores) -> Result<()> {
        if !self.training {
            self.finish(&scores.values(), "");
        }
        Ok(())
    }

    fn predict_begin(&mut self, run: &mut dyn Control, steps: Option<usize>) -> Result<()> {
        self.process = run.process();
        self.begin(steps);
        Ok(())
    }

    fn predict_batch_end(
        &mut self,
        _run: &mut dyn Control,
        step: StepEnd,
        _outputs: &Predictions,
    ) -> Result<()> {
        if self.is_due() {
            self.draw(step.step, &[]);
        }
        self.step_done(step);
        Ok(())
    }

    fn predict_end(&mut self, _run: &mut dyn Control) -> Result<()> {
        self.finish(&[], "");
        Ok(())
    }
}

impl<W: Write> Drop for ProgressBar<W> {
    fn drop(&mut self) {
        // An error may have ended training inside an epoch: what is written next starts a new line.
        if self.open_line > 0 {
            self.write("\n");
        }
    }
}

/// `  12/1875`.
fn count(step: usize, steps: Option<usize>) -> String {
    match steps.map(|steps| steps.to_string()) {
        Some(steps) => format!("{step:>0$}/{steps}", steps.len()),
        None => format!("{step}/Unknown"),
    }
}

/// `[====>...............]`.
fn bar(step: usize, steps: Option<usize>) -> String {
    let Some(steps) = steps else { return format!("[{}]", "?".repeat(WIDTH)) };
    let done = (WIDTH * step / steps.max(1)).min(WIDTH);
    let mut bar = "=".repeat(done);
    if done < WIDTH && step > 0 {
        bar.push('>');
    }
    format!("[{bar:.<WIDTH$}]")
}

/// `3s`, `1:05`, `1:01:01`.
fn clock(seconds: f64) -> String {
    let whole = seconds as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    if whole <= 60 {
        format!("{whole}s")
    } else if hours == 0 {
        format!("{minutes}:{seconds:02}")
    } else {
        format!("{hours}:{minutes:02}:{seconds:02}")
    }
}

/// `2s/step`, `2ms/step`, `2us/step`.
fn time_per_step(seconds: f64) -> String {
    if seconds >= 1.0 {
        format!("{seconds:.0}s/step")
    } else if seconds >= 1e-3 {
        format!("{:.0}ms/step", seconds * 1e3)
    } else {
        format!("{:.0}us/step", seconds * 1e6)
    }
}

/// ` - loss: 0.3400 - accuracy: 0.9100`.
fn named_values(values: &[(String, f64)]) -> String {
    values.iter().map(|(name, value)| format!(" - {name}: {}", number(*value))).collect()
}

/// With four digits after the point; a small one as Python writes it, `3.4000e-05`.
fn number(value: f64) -> String {
    if value.abs() > 1e-3 || !value.is_finite() {
        return format!("{value:.4}");
    }
    let text = format!("{value:.4e}");
    match text.split_once('e') {
        Some((digits, exponent)) => {
            let (sign, exponent) = match exponent.strip_prefix('-') {
                Some(exponent) => ('-', exponent),
                None => ('+', exponent),
            };
            format!("{digits}e{sign}{exponent:0>2}")
        }
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_is_full_only_at_the_end() {
        let shown = [0, 1, 99, 100, 1000, 1999, 2000].map(|step| bar(step, Some(2000)));
        let expected = [
            "[....................]",
            "[>...................]",
            "[>...................]",
            "[=>..................]",
            "[==========>.........]",
            "[===================>]",
            "[====================]",
        ];
        assert_eq!(shown, expected);
        assert_eq!([7, 1875].map(|step| count(step, Some(1875))), ["   7/1875", "1875/1875"]);
        assert_eq!(count(12, None), "12/Unknown");
    }

    #[test]
    fn times_have_a_unit_that_fits() {
        let clocks = [0.4, 59.9, 65.0, 3599.0, 3661.0].map(clock);
        assert_eq!(clocks, ["0s", "59s", "1:05", "59:59", "1:01:01"]);
        let steps = [2.4, 0.0024, 0.000_002_4].map(time_per_step);
        assert_eq!(steps, ["2s/step", "2ms/step", "2us/step"]);
    }
}
