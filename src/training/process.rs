//! Which of the processes that train a model together this one is.

use super::session::Session;
use crate::distributed::Process;

impl Session {
    /// This process; the only one unless the run is distributed.
    pub(super) fn process(&self) -> Process {
        Process::ALONE
    }
}
