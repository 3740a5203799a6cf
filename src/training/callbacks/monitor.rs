//! The value that a callback watches.

use crate::distributed::Process;
use crate::error::{Error, Result};

/// Which way a watched value gets better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Mode {
    /// By its name: losses and errors downward, accuracy, precision, recall and AUC upward.
    #[default]
    Auto,
    /// Downward.
    Min,
    /// Upward.
    Max,
}

/// Parts of the names of values that get better upward, and of those that get better downward.
const UPWARD: [&str; 5] = ["acc", "auc", "precision", "recall", "f1"];
const DOWNWARD: [&str; 6] = ["loss", "mse", "mae", "error", "entropy", "huber"];

impl Mode {
    /// The direction that a value's name tells, [`Min`](Mode::Min) or [`Max`](Mode::Max); `None` if
    /// it tells none. The last part that tells counts: what comes before may be the name of an
    /// output.
    #[must_use]
    pub fn of(name: &str) -> Option<Mode> {
        let last = |parts: &[&str]| parts.iter().filter_map(|part| name.rfind(part)).max();
        match (last(&UPWARD), last(&DOWNWARD)) {
            (None, None) => None,
            (upward, downward) if upward > downward => Some(Mode::Max),
            _ => Some(Mode::Min),
        }
    }
}

/// The name of a value, and which way it gets better.
#[derive(Debug, Clone)]
pub(super) struct Monitor {
    pub name: String,
    pub mode: Mode,
}

impl Default for Monitor {
    fn default() -> Self {
        Monitor { name: "val_loss".into(), mode: Mode::Auto }
    }
}

impl Monitor {
    /// Refuses a value that no epoch will have, or that is not the same in all processes.
    pub(super) fn check(&self, names: &[String], process: Process) -> Result<()> {
        if !names.contains(&self.name) {
            let hint = match self.name.starts_with("val_") {
                true => " (what begins with val_ needs validation data)",
                false => "",
            };
            let problem = format!("is {:?}{hint}; this run has {}", self.name, names.join(", "));
            return Err(Error::argument("monitor", problem));
        }
        if self.name == "seconds" && process.count > 1 {
            let problem = "is \"seconds\", of which each process of a distributed run measures its own: \
                           they would not decide alike; give another value";
            return Err(Error::argument("monitor", problem));
        }
        self.resolved().map(|_| ()).ok_or_else(|| {
            let problem = format!(
                "is Auto, and {:?} does not tell the direction; give Min or Max",
                self.name
            );
            Error::argument("mode", problem)
        })
    }

    /// Min or Max; `None` if the name does not tell.
    fn resolved(&self) -> Option<Mode> {
        match self.mode {
            Mode::Auto => Mode::of(&self.name),
            mode => Some(mode),
        }
    }

    /// Whether `value` is better than `reference` by more than `min_delta`. Any number is better
    /// than none, and NaN is never better.
    pub(super) fn is_better(&self, value: f64, reference: Option<f64>, min_delta: f64) -> bool {
        match (reference, self.resolved()) {
            (None, _) => !value.is_nan(),
            (Some(reference), Some(Mode::Max)) => value - min_delta > reference,
            (Some(reference), _) => value + min_delta < reference,
        }
    }
}

/// Refuses NaN, with which nothing can be compared.
pub(super) fn check_number(argument: &'static str, value: f64) -> Result<()> {
    match value.is_nan() {
        true => Err(Error::argument(argument, "is NaN; give a number")),
        false => Ok(()),
    }
}
