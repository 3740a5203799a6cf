//! Samples again and again.

use std::sync::Arc;

use super::inner::as_inner;
use crate::data::fields::Fields;
use crate::data::samples::Samples;
use crate::data::source::{FinishedPass, RandomAccess, Source, StreamPass, Streaming, Visit};
use crate::error::{Error, Result};

impl Source {
    /// The samples `times` times, one pass after the other; what is random differs from pass to
    /// pass. 0 is taken for 1.
    #[must_use]
    pub fn repeat(&self, times: usize) -> Source {
        let times = times.max(1);
        let repeated = match self.random_access() {
            Some(inner) => Source::new(RepeatAccess { inner, times }),
            None => Source::stream(RepeatStream { inner: self.streaming(), times: Some(times) }),
        };
        self.with_kind_of(repeated)
    }

    /// The samples again and again, as a stream without an end: an epoch is as long as
    /// [`Fit::steps_per_epoch`](crate::Fit::steps_per_epoch) says.
    #[must_use]
    pub fn repeat_forever(&self) -> Source {
        self.with_kind_of(Source::stream(RepeatStream { inner: self.streaming(), times: None }))
    }
}

#[derive(Debug)]
struct RepeatAccess {
    inner: Arc<dyn RandomAccess>,
    times: usize,
}

impl RepeatAccess {
    fn place_in_inner(&self, index: usize) -> (usize, usize) {
        let len = self.inner.len().max(1);
        (index / len, index % len)
    }
}

impl RandomAccess for RepeatAccess {
    fn fields(&self) -> &Arc<Fields> {
        self.inner.fields()
    }

    fn len(&self) -> usize {
        self.inner.len().saturating_mul(self.times)
    }

    fn read(&self, index: usize, visit: &Visit, into: &mut Samples) -> Result<()> {
        let (pass, index) = self.place_in_inner(index);
        let epoch = visit.epoch.wrapping_mul(self.times as u32).wrapping_add(pass as u32);
        self.inner.read(index, &visit.in_epoch(epoch), into)
    }

    fn place(&self, index: usize) -> String {
        self.inner.place(self.place_in_inner(index).1)
    }

    fn is_in_memory(&self) -> bool {
        self.inner.is_in_memory()
    }
}

#[derive(Debug)]
struct RepeatStream {
    inner: Arc<dyn Streaming>,
    /// `None` for ever.
    times: Option<usize>,
}

impl Streaming for RepeatStream {
    as_inner!(fields, batch_size);

    fn len(&self) -> Option<usize> {
        self.inner.len().and_then(|len| len.checked_mul(self.times?))
    }

    fn is_endless(&self) -> bool {
        self.times.is_none() || self.inner.is_endless()
    }

    fn start(&self, visit: &Visit) -> Result<Box<dyn StreamPass>> {
        let first = visit.epoch.wrapping_mul(self.times.unwrap_or(1) as u32);
        let visit = visit.in_epoch(first);
        let pass = FinishedPass::new(Arc::clone(&self.inner), &visit)?;
        let inner = Arc::clone(&self.inner);
        Ok(Box::new(RepeatPass { inner, pass, visit, left: self.times, any: false }))
    }

    fn batches(&self) -> Option<usize> {
        self.inner.batches().and_then(|batches| batches.checked_mul(self.times?))
    }
}

struct RepeatPass {
    inner: Arc<dyn Streaming>,
    pass: FinishedPass,
    visit: Visit,
    /// Passes that are not over; `None` if there is no end of them.
    left: Option<usize>,
    /// Whether this pass has given a sample.
    any: bool,
}

impl RepeatPass {
    /// Goes on by up to `most` samples, or by a batch, which `go` takes from the pass under way: it
    /// returns how many it took, 0 if that pass has ended. Returns how many there were.
    fn advance(
        &mut self,
        most: usize,
        mut go: impl FnMut(&mut FinishedPass, usize) -> Result<usize>,
    ) -> Result<usize> {
        let mut taken = 0;
        while taken < most && self.left != Some(0) && !self.visit.is_cancelled() {
            let samples = go(&mut self.pass, most - taken)?;
            if samples > 0 {
                self.any = true;
                taken += samples;
                if self.inner.batch_size().is_some() {
                    break;
                }
                continue;
            }
            self.left = self.left.map(|left| left - 1);
            if !self.any {
                return Err(Error::data("repeat", "the source has no sample to repeat"));
            }
            if self.left != Some(0) {
                self.visit = self.visit.in_epoch(self.visit.epoch.wrapping_add(1));
                self.pass = FinishedPass::new(Arc::clone(&self.inner), &self.visit)?;
                self.any = false;
            }
        }
        Ok(taken)
    }
}

impl StreamPass for RepeatPass {
    fn next(&mut self, most: usize, into: &mut Samples) -> Result<()> {
        let taken = self.advance(most, |pass, most| {
            let samples = pass.next(most)?;
            (0..samples.len()).try_for_each(|place| into.push_from(&samples, place))?;
            Ok(samples.len())
        });
        taken.map(|_| ())
    }

    fn skip(&mut self, most: usize, _: &mut Samples) -> Result<usize> {
        self.advance(most, FinishedPass::skip)
    }
}
