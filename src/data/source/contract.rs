//! What a source of samples must be able to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::data::fields::Fields;
use crate::data::samples::Samples;
use crate::error::Result;

/// Which pass over the data samples are read for. What is random in a source (its order, what a
/// `map` changes) is a pure function of it and of a sample's number, so that it depends neither on
/// who reads nor on how many read at once.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Visit {
    /// The seed of the model, or of whoever reads.
    pub seed: u64,
    /// The epoch, from 0. Validation, evaluation and prediction read epoch 0.
    pub epoch: u32,
    cancelled: Arc<AtomicBool>,
}

impl Visit {
    /// Of the epoch `epoch` under `seed`.
    #[must_use]
    pub fn new(seed: u64, epoch: u32) -> Self {
        Visit { seed, epoch, cancelled: Arc::default() }
    }

    /// The same in another epoch. It is cancelled together with this one.
    #[must_use]
    pub fn in_epoch(&self, epoch: u32) -> Self {
        Visit { epoch, ..self.clone() }
    }

    /// Asks whoever reads to end soon, as nobody wants the samples any more.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether nobody wants the samples any more. A source that waits for something looks at this
    /// about every 50 ms while it waits.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

/// Samples that can be read in any order, by several threads at once.
#[allow(clippy::len_without_is_empty, reason = "no source without samples is trained on")]
pub trait RandomAccess: std::fmt::Debug + Send + Sync {
    /// What a sample consists of.
    fn fields(&self) -> &Arc<Fields>;

    /// Number of samples.
    fn len(&self) -> usize;

    /// Appends sample `index`, less than [`len`](Self::len), to `into`, which has these fields,
    /// and [completes](Samples::complete) it.
    ///
    /// # Errors
    /// [`Error::Data`](crate::Error::Data), with the place, if the sample is damaged;
    /// [`Error::Io`](crate::Error::Io) if it cannot be read. `into` may be left with a part of it.
    fn read(&self, index: usize, visit: &Visit, into: &mut Samples) -> Result<()>;

    /// Appends several samples, in the order of `indices`; where a source reads them faster
    /// together than one by one, it has a form of its own.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    fn read_all(&self, indices: &[usize], visit: &Visit, into: &mut Samples) -> Result<()> {
        indices.iter().try_for_each(|&index| self.read(index, visit, into))
    }

    /// Where sample `index` comes from, for messages: `train.csv, line 17`.
    fn place(&self, index: usize) -> String {
        format!("sample {index}")
    }

    /// Whether reading a sample costs no more than a copy of its bytes. By default, one worker
    /// thread reads ahead where it costs more.
    fn is_in_memory(&self) -> bool {
        false
    }
}

/// Samples that come one after the other, from the beginning of a pass to its end, if it has one.
#[allow(clippy::len_without_is_empty, reason = "no source without samples is trained on")]
pub trait Streaming: std::fmt::Debug + Send + Sync {
    /// What a sample consists of.
    fn fields(&self) -> &Arc<Fields>;

    /// Samples of one pass; `None` if that is not known, or if it never ends.
    fn len(&self) -> Option<usize> {
        None
    }

    /// True if a pass never ends.
    fn is_endless(&self) -> bool {
        false
    }

    /// Begins a pass. What [`StreamPass::next`] gives is not finished: see [`finish`](Self::finish).
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if what it reads cannot be opened.
    fn start(&self, visit: &Visit) -> Result<Box<dyn StreamPass>>;

    /// Does the rest of the work on samples that [`StreamPass::next`] gave together: work that needs no
    /// order, such as that of `map`, so that several threads can do it at once. `first` is the
    /// number of the first of them in its pass. Where several processes train one model, each finishes
    /// only those of a batch that it computes, unless this [finishes whole
    /// batches](Self::finishes_whole). Nothing by default.
    ///
    /// # Errors
    /// As [`StreamPass::next`].
    fn finish(&self, samples: Samples, first: usize, visit: &Visit) -> Result<Samples> {
        let _ = (first, visit);
        Ok(samples)
    }

    /// Whether [`finish`](Self::finish) must be given all samples of a batch together, as what becomes of
    /// one depends on the others. By default where the source itself makes the batches.
    fn finishes_whole(&self) -> bool {
        self.batch_size().is_some()
    }

    /// What [`StreamPass::next`] fills: [`fields`](Self::fields) unless [`finish`](Self::finish) changes
    /// them.
    fn raw_fields(&self) -> &Arc<Fields> {
        self.fields()
    }

    /// The largest number of samples in a batch, where the source itself makes the batches: then
    /// each call of [`StreamPass::next`] gives one of them.
    fn batch_size(&self) -> Option<usize> {
        None
    }

    /// Batches of one pass, where the source itself makes them; `None` if that is not known.
    fn batches(&self) -> Option<usize> {
        None
    }
}

/// One pass over a stream.
pub trait StreamPass: Send {
    /// Appends the next `most` samples to `into`, which has the stream's
    /// [raw fields](Streaming::raw_fields); fewer only at the end of the pass. Takes no more than
    /// asked for from whatever it reads. A stream that makes the batches itself appends one batch,
    /// or nothing at the end.
    ///
    /// # Errors
    /// [`Error::Data`](crate::Error::Data), with the place, if a sample is damaged;
    /// [`Error::Io`](crate::Error::Io) if it cannot be read. The pass is over then.
    fn next(&mut self, most: usize, into: &mut Samples) -> Result<()>;

    /// Goes past the next `most` samples, and returns how many there were: fewer only at the end of the
    /// pass. A stream that makes the batches itself goes past one batch. `scratch`, which has the
    /// stream's [raw fields](Streaming::raw_fields), is left as it was: by default the samples are read
    /// into it and forgotten.
    ///
    /// # Errors
    /// As [`next`](Self::next); a sample that is not read may be damaged.
    fn skip(&mut self, most: usize, scratch: &mut Samples) -> Result<usize> {
        let before = scratch.len();
        self.next(most, scratch)?;
        let skipped = scratch.len() - before.min(scratch.len());
        scratch.truncate(before);
        Ok(skipped)
    }
}
