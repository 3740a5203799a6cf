//! Every n-th sample, for one of n readers.

use std::sync::Arc;

use super::concat::refuse_batches;
use super::inner::as_inner;
use crate::data::fields::Fields;
use crate::data::samples::Samples;
use crate::data::source::{RandomAccess, Source, StreamPass, Streaming, Visit};
use crate::error::{Error, Result};

impl Source {
    /// The samples `index`, `index + count`, `index + 2 count` and so on, as tf.data's `shard`: what
    /// the reader `index` of `count` readers takes, which together take each sample once. Takes no
    /// memory; of random access the others are not read, and a stream goes past them.
    ///
    /// What was made at random before, by [`map`](Self::map), is what it is without `shard`. After it,
    /// a sample's number is that in the shard.
    ///
    /// It is for loops of a caller's own. [`fit`](crate::Model::fit) shares out the samples among the
    /// processes of a run by itself, and is given the whole source.
    ///
    /// ```
    /// use minibatch::data::{Source, synthetic_digits};
    ///
    /// # fn main() -> minibatch::Result<()> {
    /// let digits = Source::from(synthetic_digits(10, 0)?);
    /// let shards = [digits.shard(0, 3)?, digits.shard(1, 3)?, digits.shard(2, 3)?];
    /// assert_eq!(shards.map(|shard| shard.len()), [Some(4), Some(3), Some(3)]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Argument`] if `count` is 0, `index` is not below `count`, or the source makes batches.
    pub fn shard(&self, index: usize, count: usize) -> Result<Source> {
        if count == 0 {
            let problem = format!("is {index} of 0 shards; give at least 1 shard");
            return Err(Error::argument("shard", problem));
        }
        if index >= count {
            let problem = format!("is {index} of {count} shards; give 0 to {}", count - 1);
            return Err(Error::argument("shard", problem));
        }
        refuse_batches("shard", [self])?;
        let shard = match self.random_access() {
            _ if count == 1 => return Ok(self.clone()),
            Some(inner) => Source::new(Shard { inner, index, count }),
            None => Source::stream(Shard { inner: self.streaming(), index, count }),
        };
        Ok(self.with_kind_of(shard))
    }
}

/// Every `count`-th sample of another source, from sample `index` on.
#[derive(Debug)]
struct Shard<I> {
    inner: I,
    index: usize,
    count: usize,
}

impl<I> Shard<I> {
    /// How many there are of `samples` samples.
    fn share(&self, samples: usize) -> usize {
        samples.saturating_sub(self.index).div_ceil(self.count)
    }

    /// The number that a sample has in the whole.
    fn number(&self, index: usize) -> usize {
        index * self.count + self.index
    }
}

impl RandomAccess for Shard<Arc<dyn RandomAccess>> {
    fn fields(&self) -> &Arc<Fields> {
        self.inner.fields()
    }

    fn len(&self) -> usize {
        self.share(self.inner.len())
    }

    fn read(&self, index: usize, visit: &Visit, into: &mut Samples) -> Result<()> {
        self.inner.read(self.number(index), visit, into)
    }

    fn read_all(&self, indices: &[usize], visit: &Visit, into: &mut Samples) -> Result<()> {
        let indices: Vec<usize> = indices.iter().map(|&index| self.number(index)).collect();
        self.inner.read_all(&indices, visit, into)
    }

    fn place(&self, index: usize) -> String {
        self.inner.place(self.number(index))
    }

    fn is_in_memory(&self) -> bool {
        self.inner.is_in_memory()
    }
}

impl Streaming for Shard<Arc<dyn Streaming>> {
    as_inner!(fields, is_endless, raw_fields);

    fn len(&self) -> Option<usize> {
        self.inner.len().map(|samples| self.share(samples))
    }

    fn start(&self, visit: &Visit) -> Result<Box<dyn StreamPass>> {
        let pass = self.inner.start(visit)?;
        Ok(Box::new(ShardPass { pass, others: self.index, count: self.count, ended: false }))
    }

    fn finish(&self, samples: Samples, first: usize, visit: &Visit) -> Result<Samples> {
        let mut finished = Samples::new(Arc::clone(self.inner.fields()));
        for place in 0..samples.len() {
            // Their numbers in the whole do not follow each other.
            let mut one = Samples::new(Arc::clone(self.inner.raw_fields()));
            one.push_from(&samples, place)?;
            let one = self.inner.finish(one, self.number(first + place), visit)?;
            (0..one.len()).try_for_each(|place| finished.push_from(&one, place))?;
        }
        Ok(finished)
    }
}

struct ShardPass {
    pass: Box<dyn StreamPass>,
    /// Samples of others that come before the next own one.
    others: usize,
    count: usize,
    ended: bool,
}

impl ShardPass {
    /// Goes past the samples of others, and returns whether the pass goes on.
    fn pass_others(&mut self, scratch: &mut Samples) -> Result<bool> {
        let others = std::mem::replace(&mut self.others, self.count - 1);
        if others > 0 && !self.ended {
            self.ended = self.pass.skip(others, scratch)? < others;
        }
        Ok(!self.ended)
    }
}

impl StreamPass for ShardPass {
    fn next(&mut self, most: usize, into: &mut Samples) -> Result<()> {
        for _ in 0..most {
            let before = into.len();
            if !self.pass_others(into)? {
                break;
            }
            self.pass.next(1, into)?;
            if into.len() == before {
                self.ended = true;
                break;
            }
        }
        Ok(())
    }

    fn skip(&mut self, most: usize, scratch: &mut Samples) -> Result<usize> {
        for skipped in 0..most {
            if !self.pass_others(scratch)? {
                return Ok(skipped);
            }
            if self.pass.skip(1, scratch)? == 0 {
                self.ended = true;
                return Ok(skipped);
            }
        }
        Ok(most)
    }
}
