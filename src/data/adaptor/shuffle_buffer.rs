//! A stream in another order, as far as a bounded memory allows.

use std::sync::Arc;

use super::concat::refuse_batches;
use super::inner::as_inner;
use crate::data::fields::Fields;
use crate::data::samples::Samples;
use crate::data::source::{FinishedPass, Source, StreamPass, Streaming, Visit};
use crate::error::Result;
use crate::random::{Random, Stream};

impl Source {
    /// The samples in an order of which `samples` samples are kept in memory: each one that is given
    /// is drawn from them, and the next one of the source takes its place. 0 and 1 leave the order
    /// as it is. The order depends on the seed and the epoch.
    ///
    /// A buffer that is small beside the data mixes neighbours only: data that are sorted by class
    /// should be shuffled before they are written.
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) if the source makes batches.
    pub fn shuffle_buffer(&self, samples: usize) -> Result<Source> {
        refuse_batches("shuffle_buffer", [self])?;
        if samples < 2 {
            return Ok(self.clone());
        }
        let buffer = ShuffleBuffer { inner: self.streaming(), samples };
        Ok(self.with_kind_of(Source::stream(buffer)))
    }
}

#[derive(Debug)]
struct ShuffleBuffer {
    inner: Arc<dyn Streaming>,
    samples: usize,
}

impl Streaming for ShuffleBuffer {
    as_inner!(fields, len, is_endless);

    fn start(&self, visit: &Visit) -> Result<Box<dyn StreamPass>> {
        Ok(Box::new(BufferPass {
            pass: FinishedPass::new(Arc::clone(&self.inner), visit)?,
            random: Random::new(visit.seed, Stream::SourceShuffle(visit.epoch)),
            capacity: self.samples,
            buffer: Vec::new(),
            ended: false,
        }))
    }
}

struct BufferPass {
    pass: FinishedPass,
    random: Random,
    capacity: usize,
    /// A sample in each.
    buffer: Vec<Samples>,
    ended: bool,
}

impl BufferPass {
    /// Reads until the buffer is full, or the source has ended.
    fn fill(&mut self) -> Result<()> {
        while !self.ended && self.buffer.len() < self.capacity {
            let read = self.pass.next((self.capacity - self.buffer.len()).min(256))?;
            self.ended = read.is_empty();
            for place in 0..read.len() {
                let mut sample = Samples::new(Arc::clone(read.fields()));
                sample.push_from(&read, place)?;
                self.buffer.push(sample);
            }
        }
        Ok(())
    }
}

impl StreamPass for BufferPass {
    fn next(&mut self, most: usize, into: &mut Samples) -> Result<()> {
        self.fill()?;
        // What will take the places of those that are drawn, read together.
        let read = match self.ended {
            true => None,
            false => Some(self.pass.next(most)?),
        };
        self.ended |= read.as_ref().is_some_and(|read| read.len() < most);
        let mut next = 0;
        for _ in 0..most {
            if self.buffer.is_empty() {
                break;
            }
            let drawn = self.random.below(self.buffer.len() as u64) as usize;
            let following = read.as_ref().filter(|read| next < read.len());
            match (self.buffer.get_mut(drawn), following) {
                (Some(sample), Some(read)) => {
                    into.push_from(sample, 0)?;
                    sample.clear();
                    sample.push_from(read, next)?;
                    next += 1;
                }
                _ => into.push_from(&self.buffer.swap_remove(drawn), 0)?,
            }
        }
        Ok(())
    }
}
