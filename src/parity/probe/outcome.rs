//! How an attempt ended, and what follows from all of them.

use std::time::Duration;

use super::attempt::Attempt;
use super::contract::{Need, RulesOut};
use crate::operation::{KernelForm, KernelForms};

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All that was computed is right.
    Passed,
    /// Something is not; what and where.
    Wrong(String),
    /// The process that ran it ended by itself, or the device failed.
    Crashed(String),
    /// It had not ended after so long.
    TimedOut(Duration),
    /// The device lacks what it needs.
    Skipped(Need),
}

impl Outcome {
    /// Whether what was tried may be used.
    pub fn is_failure(&self) -> bool {
        match self {
            Outcome::Passed | Outcome::Skipped(_) => false,
            Outcome::Wrong(_) | Outcome::Crashed(_) | Outcome::TimedOut(_) => true,
        }
    }

    /// What is wrong, where something was computed that is.
    pub fn fault(&self) -> Option<&str> {
        match self {
            Outcome::Wrong(fault) => Some(fault),
            Outcome::Passed | Outcome::Crashed(_) | Outcome::TimedOut(_) | Outcome::Skipped(_) => {
                None
            }
        }
    }
}

impl std::fmt::Display for Outcome {
    /// The verdict in a few words: `crashed (signal 11)`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Outcome::Passed => f.write_str("passed"),
            Outcome::Wrong(_) => f.write_str("wrong"),
            Outcome::Crashed(how) => write!(f, "crashed ({how})"),
            Outcome::TimedOut(after) => write!(f, "timed out ({} s)", after.as_secs()),
            Outcome::Skipped(need) => write!(f, "skipped: needs {}", need.name()),
        }
    }
}

/// What is not to be used on an adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RuledOut {
    /// Forms of kernels, for [`Gpu::without_forms`](crate::Gpu::without_forms).
    pub forms: KernelForms,
    /// Whether something failed that nothing can take the place of: then no result can be trusted.
    pub adapter: bool,
}

/// What follows from attempts that ended so. A pure function: the same outcomes always rule out the
/// same forms.
pub fn ruled_out<'a>(outcomes: impl IntoIterator<Item = (&'a Attempt, &'a Outcome)>) -> RuledOut {
    let mut all = RuledOut::default();
    for (attempt, _) in outcomes.into_iter().filter(|(_, outcome)| outcome.is_failure()) {
        match attempt.probe.rules_out {
            RulesOut::Forms(forms) => all.forms.extend(forms.iter().copied()),
            RulesOut::TriedForm => all.forms.extend(attempt.form.map(KernelForm::Matrix)),
            RulesOut::Adapter => all.adapter = true,
        }
    }
    all
}
