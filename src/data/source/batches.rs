//! The batches of a source, for loops of a caller's own.

use std::sync::Arc;

use super::contract::{Streaming, Visit};
use super::finished::FinishedPass;
use crate::data::samples::Samples;
use crate::error::Result;

/// The batches of one pass over a source. After an error there are no more.
pub struct SourceBatches {
    /// `None` once it has ended.
    pass: Option<FinishedPass>,
    batch_size: usize,
}

impl std::fmt::Debug for SourceBatches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SourceBatches")
            .field("batch_size", &self.batch_size)
            .finish_non_exhaustive()
    }
}

impl SourceBatches {
    pub(super) fn new(
        stream: Arc<dyn Streaming>,
        batch_size: usize,
        visit: &Visit,
    ) -> Result<Self> {
        Ok(SourceBatches { pass: Some(FinishedPass::new(stream, visit)?), batch_size })
    }
}

impl Iterator for SourceBatches {
    type Item = Result<Samples>;

    fn next(&mut self) -> Option<Result<Samples>> {
        let batch = self.pass.as_mut()?.next(self.batch_size);
        match &batch {
            Ok(samples) if samples.is_empty() => {
                self.pass = None;
                return None;
            }
            Ok(_) => {}
            Err(_) => self.pass = None,
        }
        Some(batch)
    }
}
