//! A pass whose samples are finished as they are read: what adaptors and loops of a caller's own read.

use std::sync::Arc;

use super::contract::{StreamPass, Streaming, Visit};
use crate::data::samples::Samples;
use crate::error::Result;

/// A pass over a stream whose samples are finished as they are read.
pub(crate) struct FinishedPass {
    stream: Arc<dyn Streaming>,
    pass: Box<dyn StreamPass>,
    visit: Visit,
    /// Samples that were read before.
    read: usize,
}

impl FinishedPass {
    pub(crate) fn new(stream: Arc<dyn Streaming>, visit: &Visit) -> Result<Self> {
        let pass = stream.start(visit)?;
        Ok(FinishedPass { stream, pass, visit: visit.clone(), read: 0 })
    }

    /// The next `most` samples; fewer at the end.
    pub(crate) fn next(&mut self, most: usize) -> Result<Samples> {
        let mut raw = Samples::new(Arc::clone(self.stream.raw_fields()));
        self.pass.next(most, &mut raw)?;
        let first = self.read;
        self.read += raw.len();
        self.stream.finish(raw, first, &self.visit)
    }

    /// Goes past the next `most` samples, which need not be finished, and returns how many there were:
    /// fewer at the end.
    pub(crate) fn skip(&mut self, most: usize) -> Result<usize> {
        let mut scratch = Samples::new(Arc::clone(self.stream.raw_fields()));
        let skipped = self.pass.skip(most, &mut scratch)?;
        self.read += skipped;
        Ok(skipped)
    }
}
