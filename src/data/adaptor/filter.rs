//! The samples that a function chooses.

use std::sync::Arc;

use super::inner::as_inner;
use crate::data::fields::Fields;
use crate::data::samples::Samples;
use crate::data::source::{FinishedPass, Source, StreamPass, Streaming, Visit};
use crate::error::Result;

impl Source {
    /// A stream of those samples for which `keep` returns true; it is given one at a time. How many
    /// there are is not known before they were read.
    ///
    /// A source that makes batches gives single samples then.
    #[must_use]
    pub fn filter(
        &self,
        keep: impl Fn(&Samples) -> Result<bool> + Send + Sync + 'static,
    ) -> Source {
        self.with_kind_of(Source::stream(Filter { inner: self.streaming(), keep: Arc::new(keep) }))
    }
}

type Keep = Arc<dyn Fn(&Samples) -> Result<bool> + Send + Sync>;

struct Filter {
    inner: Arc<dyn Streaming>,
    keep: Keep,
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Filter").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl Streaming for Filter {
    as_inner!(fields, is_endless);

    fn start(&self, visit: &Visit) -> Result<Box<dyn StreamPass>> {
        let pass = FinishedPass::new(Arc::clone(&self.inner), visit)?;
        let left = Samples::new(Arc::clone(self.inner.fields()));
        let visit = visit.clone();
        Ok(Box::new(FilterPass { pass, keep: Arc::clone(&self.keep), visit, left, next: 0 }))
    }
}

struct FilterPass {
    pass: FinishedPass,
    keep: Keep,
    visit: Visit,
    /// A batch of the inner stream that is not used up.
    left: Samples,
    next: usize,
}

impl StreamPass for FilterPass {
    fn next(&mut self, most: usize, into: &mut Samples) -> Result<()> {
        let wanted = into.len() + most;
        let mut one = Samples::new(Arc::clone(into.fields()));
        while into.len() < wanted && !self.visit.is_cancelled() {
            if self.next >= self.left.len() {
                // As many as are missing: if all of them are chosen, none is left over.
                (self.left, self.next) = (self.pass.next(wanted - into.len())?, 0);
                if self.left.is_empty() {
                    break;
                }
            }
            one.clear();
            one.push_from(&self.left, self.next)?;
            self.next += 1;
            if (self.keep)(&one)? {
                into.push_from(&one, 0)?;
            }
        }
        Ok(())
    }
}
