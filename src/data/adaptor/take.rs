//! The first samples, or those after the first.

use std::sync::Arc;

use super::inner::as_inner;
use crate::data::fields::Fields;
use crate::data::samples::Samples;
use crate::data::source::{Slice, Source, StreamPass, Streaming, Visit};
use crate::error::Result;

impl Source {
    /// The first `count` samples; of a source that makes batches, the first `count` batches. No
    /// more than these are read.
    #[must_use]
    pub fn take(&self, count: usize) -> Source {
        self.part(0, count)
    }

    /// All but the first `count` samples; of a source that makes batches, all but the first `count`
    /// batches. A stream goes past those at the beginning of each pass.
    #[must_use]
    pub fn skip(&self, count: usize) -> Source {
        self.part(count, usize::MAX)
    }

    fn part(&self, skip: usize, take: usize) -> Source {
        let part = match self.random_access() {
            Some(access) => {
                let end = skip.saturating_add(take);
                Source::new(Slice::new(access, skip..end))
            }
            None => Source::stream(Part { inner: self.streaming(), skip, take }),
        };
        self.with_kind_of(part)
    }
}

/// Some neighbouring samples, or batches, of a stream.
#[derive(Debug)]
struct Part {
    inner: Arc<dyn Streaming>,
    skip: usize,
    take: usize,
}

impl Streaming for Part {
    as_inner!(fields, finishes_whole, raw_fields, batch_size);

    fn len(&self) -> Option<usize> {
        match (self.inner.batch_size(), self.inner.len()) {
            (None, Some(len)) => Some(len.saturating_sub(self.skip).min(self.take)),
            (None, None) if self.inner.is_endless() && self.take < usize::MAX => Some(self.take),
            _ => None,
        }
    }

    fn is_endless(&self) -> bool {
        self.inner.is_endless() && self.take == usize::MAX
    }

    fn start(&self, visit: &Visit) -> Result<Box<dyn StreamPass>> {
        let mut pass = self.inner.start(visit)?;
        let batches = self.inner.batch_size().is_some();
        let mut scratch = Samples::new(Arc::clone(self.inner.raw_fields()));
        let mut left = self.skip;
        while left > 0 && !visit.is_cancelled() {
            match pass.skip(left.min(256), &mut scratch)? {
                0 => break,
                _ if batches => left -= 1,
                samples => left = left.saturating_sub(samples),
            }
        }
        Ok(Box::new(PartPass { pass, left: self.take, batches }))
    }

    fn finish(&self, samples: Samples, first: usize, visit: &Visit) -> Result<Samples> {
        // The numbers are those of the inner stream, so that what is random stays the same. Of
        // batches, how many samples were skipped is not known.
        let skipped = if self.inner.batch_size().is_some() { 0 } else { self.skip };
        self.inner.finish(samples, skipped + first, visit)
    }

    fn batches(&self) -> Option<usize> {
        self.inner.batches().map(|batches| batches.saturating_sub(self.skip).min(self.take))
    }
}

struct PartPass {
    pass: Box<dyn StreamPass>,
    /// Samples, or batches, that may still be taken.
    left: usize,
    batches: bool,
}

impl StreamPass for PartPass {
    fn next(&mut self, most: usize, into: &mut Samples) -> Result<()> {
        if self.left == 0 {
            return Ok(());
        }
        let before = into.len();
        let most = if self.batches { most } else { most.min(self.left) };
        self.pass.next(most, into)?;
        self.left -= if self.batches { 1 } else { into.len() - before };
        Ok(())
    }

    fn skip(&mut self, most: usize, scratch: &mut Samples) -> Result<usize> {
        if self.left == 0 {
            return Ok(0);
        }
        let most = if self.batches { most } else { most.min(self.left) };
        let skipped = self.pass.skip(most, scratch)?;
        self.left -= if self.batches { 1 } else { skipped };
        Ok(skipped)
    }
}
