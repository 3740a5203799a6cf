//! What the shards of a batch add up to, of each by itself.

use crate::program::BufferId;
use crate::table::Storage;

/// The metrics of shards. Those of the shard that runs are in the executor's memory.
#[derive(Debug)]
pub(super) struct Shards<T> {
    /// By shard the memory of each metric; of the shard that runs, what was in its place.
    pub sets: Vec<Vec<(BufferId, Storage<T>)>>,
    /// The shard that runs.
    pub current: usize,
}

impl<T> Default for Shards<T> {
    fn default() -> Self {
        Shards { sets: Vec::new(), current: 0 }
    }
}

impl<T> Shards<T> {
    /// Sets of metrics beside what is in their place.
    pub(super) fn count(&self) -> usize {
        self.sets.len()
    }
}
