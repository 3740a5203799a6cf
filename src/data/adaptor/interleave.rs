//! Samples of several sources in turn.

use std::sync::Arc;

use super::concat::{refuse_batches, same_fields};
use crate::data::fields::Fields;
use crate::data::samples::Samples;
use crate::data::source::{FinishedPass, Source, StreamPass, Streaming, Visit};
use crate::error::{Error, Result};

impl Source {
    /// A stream of one sample of each source in turn, all of which have the same fields. A source
    /// that has ended is left out from then on.
    ///
    /// # Errors
    /// [`Error::Argument`] if there is no source, one makes batches, or a field has another name,
    /// shape or element type.
    pub fn interleave(sources: &[Source]) -> Result<Source> {
        let Some(first) = sources.first() else {
            return Err(Error::argument("interleave", "has no source; give at least one"));
        };
        refuse_batches("interleave", sources)?;
        let fields = sources.iter().try_fold(first.fields(), |fields, source| {
            same_fields("interleave", &fields, &source.fields())
        })?;
        let streams = sources.iter().map(Source::streaming).collect();
        Ok(Source::stream(Interleave { fields, streams }))
    }
}

#[derive(Debug)]
struct Interleave {
    fields: Arc<Fields>,
    streams: Vec<Arc<dyn Streaming>>,
}

impl Streaming for Interleave {
    fn fields(&self) -> &Arc<Fields> {
        &self.fields
    }

    fn len(&self) -> Option<usize> {
        self.streams.iter().try_fold(0usize, |sum, stream| sum.checked_add(stream.len()?))
    }

    fn is_endless(&self) -> bool {
        self.streams.iter().any(|stream| stream.is_endless())
    }

    fn start(&self, visit: &Visit) -> Result<Box<dyn StreamPass>> {
        let streams = self.streams.iter();
        let passes = streams.map(|stream| FinishedPass::new(Arc::clone(stream), visit));
        Ok(Box::new(InterleavePass { passes: passes.collect::<Result<_>>()?, turn: 0 }))
    }
}

struct InterleavePass {
    /// Those that have not ended.
    passes: Vec<FinishedPass>,
    turn: usize,
}

impl InterleavePass {
    /// Goes on by up to `most` samples, each of which `go` takes from the pass that is next in turn:
    /// it returns false if that has ended. Returns how many there were.
    fn advance(
        &mut self,
        most: usize,
        mut go: impl FnMut(&mut FinishedPass) -> Result<bool>,
    ) -> Result<usize> {
        let mut taken = 0;
        while taken < most {
            if self.turn >= self.passes.len() {
                self.turn = 0;
            }
            let Some(pass) = self.passes.get_mut(self.turn) else { break };
            if go(pass)? {
                (taken, self.turn) = (taken + 1, self.turn + 1);
            } else {
                self.passes.remove(self.turn);
            }
        }
        Ok(taken)
    }
}

impl StreamPass for InterleavePass {
    fn next(&mut self, most: usize, into: &mut Samples) -> Result<()> {
        let taken = self.advance(most, |pass| {
            let sample = pass.next(1)?;
            if sample.is_empty() {
                return Ok(false);
            }
            into.push_from(&sample, 0)?;
            Ok(true)
        });
        taken.map(|_| ())
    }

    fn skip(&mut self, most: usize, _: &mut Samples) -> Result<usize> {
        self.advance(most, |pass| Ok(pass.skip(1)? > 0))
    }
}
