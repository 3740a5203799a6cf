//! How an attempt ended.

use std::time::Duration;

use super::contract::Need;

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
