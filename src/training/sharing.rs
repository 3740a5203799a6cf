//! What a process knows of the others with which it shares batches.

use super::executor::Partial;
use crate::distributed::Group;

/// What shards leave behind until their batch ends, and the processes that run the others.
#[derive(Debug, Default)]
pub(super) struct Sharing {
    /// The processes that train the model together; `None` if this one is alone.
    pub group: Option<Group>,
    /// Whether batches are cut into shards for this call alone.
    pub cut_for_now: bool,
    /// Gradients of this batch that are added to those of other processes.
    pub partials: Vec<Partial>,
}

impl Sharing {
    /// Beside these processes.
    pub(super) fn with(group: Group) -> Self {
        Sharing { group: Some(group), ..Sharing::default() }
    }
}
