//! What carries bytes between the processes of a run.

use std::fmt::Debug;
use std::ops::Range;

use crate::error::Result;

/// Which of how many processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// Its number, from 0.
    pub rank: usize,
    /// How many there are.
    pub count: usize,
}

impl std::fmt::Display for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} of {}", self.rank, self.count)
    }
}

impl Process {
    /// The only one.
    pub const ALONE: Process = Process { rank: 0, count: 1 };

    /// The shards that it owns of `shards`, at least one for each process: some that follow each other,
    /// as equal in number as possible.
    #[must_use]
    pub fn shards(self, shards: usize) -> Range<usize> {
        let first =
            |rank: usize| (rank as u128 * shards as u128 / self.count.max(1) as u128) as usize;
        first(self.rank)..first(self.rank.saturating_add(1))
    }

    /// Whether it is the one that writes files and shows progress.
    #[must_use]
    pub fn is_first(self) -> bool {
        self.rank == 0
    }
}

/// Carries bytes between processes, of which each has a transport of its own. Each call waits until it is
/// done.
///
/// All processes make the same collective calls ([`broadcast`](Self::broadcast),
/// [`barrier`](Self::barrier)) in the same order, and two that [`exchange`](Self::exchange) both call it.
pub trait Transport: Debug + Send + Sync {
    /// Which process this is.
    fn process(&self) -> Process;

    /// Sends `sent` to the process of rank `peer`, and fills `received` with what that sends, which
    /// calls this at the same time. Either may be empty.
    ///
    /// # Errors
    /// [`Error::Distributed`](crate::Error::Distributed) if the other process is gone or sends another
    /// number of bytes.
    fn exchange(&self, peer: usize, sent: &[u8], received: &mut [u8]) -> Result<()>;

    /// Gives `bytes`, of any number, of process `root` to all others, whose own are replaced.
    ///
    /// # Errors
    /// As [`exchange`](Self::exchange).
    fn broadcast(&self, root: usize, bytes: &mut Vec<u8>) -> Result<()>;

    /// Waits until every process is here.
    ///
    /// # Errors
    /// As [`exchange`](Self::exchange).
    fn barrier(&self) -> Result<()>;

    /// Says that this process ends with an error, so that the others do not wait for it: what they
    /// wait for fails, or they are ended. Where that ends this process too, it happens only when the last
    /// clone of the transport is dropped, after the program has shown the error. By default it does nothing.
    fn fail(&self, reason: &str) {
        let _ = reason;
    }
}
