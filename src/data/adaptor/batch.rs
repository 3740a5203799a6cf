//! A source that makes its batches itself.

use std::sync::Arc;

use super::concat::refuse_batches;
use super::inner::as_inner;
use crate::data::fields::Fields;
use crate::data::samples::Samples;
use crate::data::source::{Source, StreamPass, Streaming, Visit};
use crate::error::{Error, Result};

impl Source {
    /// A stream of batches of `samples` samples, the last one maybe smaller: for
    /// [`map_batch`](Self::map_batch). `fit` makes batches by itself, and refuses `batch_size` for
    /// such a source.
    ///
    /// # Errors
    /// [`Error::Argument`] if `samples` is 0, or if the source makes batches already.
    pub fn batch(&self, samples: usize) -> Result<Source> {
        refuse_batches("batch", [self])?;
        if samples == 0 {
            return Err(Error::argument("batch", "is of 0 samples; give at least 1"));
        }
        let batches = Batches { inner: self.streaming(), samples };
        Ok(self.with_kind_of(Source::stream(batches)))
    }
}

#[derive(Debug)]
struct Batches {
    inner: Arc<dyn Streaming>,
    samples: usize,
}

impl Streaming for Batches {
    as_inner!(fields, len, is_endless, finish, finishes_whole, raw_fields);

    fn start(&self, visit: &Visit) -> Result<Box<dyn StreamPass>> {
        let pass = self.inner.start(visit)?;
        Ok(Box::new(BatchesPass { pass, samples: self.samples }))
    }

    fn batch_size(&self) -> Option<usize> {
        Some(self.samples)
    }

    fn batches(&self) -> Option<usize> {
        self.inner.len().map(|len| len.div_ceil(self.samples))
    }
}

struct BatchesPass {
    pass: Box<dyn StreamPass>,
    samples: usize,
}

impl StreamPass for BatchesPass {
    fn next(&mut self, _: usize, into: &mut Samples) -> Result<()> {
        self.pass.next(self.samples, into)
    }

    fn skip(&mut self, _: usize, scratch: &mut Samples) -> Result<usize> {
        self.pass.skip(self.samples, scratch)
    }
}
