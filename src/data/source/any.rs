//! A source of samples, of whichever kind.

use std::sync::Arc;

use super::batches::SourceBatches;
use super::contract::{RandomAccess, Streaming, Visit};
use super::in_memory::{self, InMemory};
use super::in_order::InOrder;
use super::slice::Slice;
use crate::data::dataset::{Dataset, cut_last};
use crate::data::fields::Fields;
use crate::error::{Error, Result};

/// Where samples come from: arrays in memory, files, a generator, another thread, and what
/// adaptors make of them. Cloning it shares the data.
///
/// [`fit`](crate::Model::fit), [`evaluate`](crate::Model::evaluate) and
/// [`predict`](crate::Model::predict) take a source; a [`Dataset`] is one too. Nothing is read
/// before a batch is needed, and no more than is needed.
///
/// A source either can read any sample (random access), or gives one after the other (a stream).
/// What needs the number of samples, or any order of them, is refused for a stream.
#[derive(Debug, Clone)]
pub struct Source {
    kind: SourceKind,
    /// How many batches to read ahead, if an adaptor said so.
    ahead: Option<usize>,
}

/// What a [`Source`] is.
#[derive(Debug, Clone)]
pub(crate) enum SourceKind {
    /// Arrays in memory.
    Dataset(Dataset),
    /// Samples that can be read in any order.
    RandomAccess(Arc<dyn RandomAccess>),
    /// Samples one after the other.
    Stream(Arc<dyn Streaming>),
}

impl From<SourceKind> for Source {
    fn from(kind: SourceKind) -> Self {
        Source { kind, ahead: None }
    }
}

impl From<Dataset> for Source {
    fn from(data: Dataset) -> Self {
        SourceKind::Dataset(data).into()
    }
}

impl From<&Dataset> for Source {
    fn from(data: &Dataset) -> Self {
        data.clone().into()
    }
}

impl From<&Source> for Source {
    fn from(source: &Source) -> Self {
        source.clone()
    }
}

impl Source {
    /// Samples that can be read in any order.
    pub fn new(access: impl RandomAccess + 'static) -> Self {
        SourceKind::RandomAccess(Arc::new(access)).into()
    }

    /// Samples that come one after the other.
    pub fn stream(stream: impl Streaming + 'static) -> Self {
        SourceKind::Stream(Arc::new(stream)).into()
    }

    pub(crate) fn kind(&self) -> &SourceKind {
        &self.kind
    }

    /// What a sample consists of.
    #[must_use]
    pub fn fields(&self) -> Arc<Fields> {
        match &self.kind {
            SourceKind::Dataset(data) => in_memory::fields(data),
            SourceKind::RandomAccess(access) => Arc::clone(access.fields()),
            SourceKind::Stream(stream) => Arc::clone(stream.fields()),
        }
    }

    /// Number of samples in a pass; `None` if it is not known, or if the stream never ends.
    #[must_use]
    pub fn len(&self) -> Option<usize> {
        match &self.kind {
            SourceKind::Dataset(data) => Some(data.len()),
            SourceKind::RandomAccess(access) => Some(access.len()),
            SourceKind::Stream(stream) => stream.len(),
        }
    }

    /// True if it is known to have no sample.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// True if it is a stream that never ends.
    #[must_use]
    pub fn is_endless(&self) -> bool {
        matches!(&self.kind, SourceKind::Stream(stream) if stream.is_endless())
    }

    /// True if its samples come one after the other only.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        matches!(self.kind, SourceKind::Stream(_))
    }

    /// The largest number of samples in a batch, if the source itself makes the batches.
    #[must_use]
    pub fn batch_size(&self) -> Option<usize> {
        match &self.kind {
            SourceKind::Dataset(_) | SourceKind::RandomAccess(_) => None,
            SourceKind::Stream(stream) => stream.batch_size(),
        }
    }

    /// How many batches to read ahead, if [`prefetch`](Self::prefetch) said so.
    #[must_use]
    pub(crate) fn ahead(&self) -> Option<usize> {
        self.ahead
    }

    /// The same, with so many batches read ahead by a thread where `fit` is not told otherwise
    /// ([`Fit::workers`](crate::Fit::workers), [`Fit::max_queue_size`](crate::Fit::max_queue_size)).
    /// The batches are the same.
    #[must_use]
    pub fn prefetch(self, batches: usize) -> Self {
        Source { ahead: Some(batches), ..self }
    }

    /// Whether reading a sample costs no more than a copy of its bytes.
    #[must_use]
    pub(crate) fn is_in_memory(&self) -> bool {
        match &self.kind {
            SourceKind::Dataset(_) => true,
            SourceKind::RandomAccess(access) => access.is_in_memory(),
            SourceKind::Stream(_) => false,
        }
    }

    /// It as random access, if it is.
    pub(crate) fn random_access(&self) -> Option<Arc<dyn RandomAccess>> {
        match &self.kind {
            SourceKind::Dataset(data) => Some(Arc::new(InMemory::new(data.clone()))),
            SourceKind::RandomAccess(access) => Some(Arc::clone(access)),
            SourceKind::Stream(_) => None,
        }
    }

    /// It as random access, which `call` needs.
    ///
    /// # Errors
    /// [`Error::Argument`] if it is a stream.
    pub(crate) fn need_random_access(&self, call: &'static str) -> Result<Arc<dyn RandomAccess>> {
        self.random_access().ok_or_else(|| {
            let problem = "needs samples that can be read in any order, and this is a stream; keep \
                           its samples first (cache), or use a form for streams (shuffle_buffer, \
                           take, skip)";
            Error::argument(call, problem)
        })
    }

    /// It as a stream: samples of random access come in their own order.
    pub(crate) fn streaming(&self) -> Arc<dyn Streaming> {
        match &self.kind {
            SourceKind::Stream(stream) => Arc::clone(stream),
            SourceKind::Dataset(data) => {
                Arc::new(InOrder::new(Arc::new(InMemory::new(data.clone()))))
            }
            SourceKind::RandomAccess(access) => Arc::new(InOrder::new(Arc::clone(access))),
        }
    }

    /// Its samples in batches of `batch_size`, the last one maybe smaller, in its own order: for
    /// loops of the caller's own. `batch_size` does not matter where the source makes the batches.
    ///
    /// ```
    /// use minibatch::data::{Source, Visit, synthetic_digits};
    ///
    /// # fn main() -> minibatch::Result<()> {
    /// let source = Source::from(synthetic_digits(100, 0)?);
    /// let mut sizes = Vec::new();
    /// for batch in source.batches(32, &Visit::default())? {
    ///     sizes.push(batch?.len());
    /// }
    /// assert_eq!(sizes, [32, 32, 32, 4]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Argument`] if `batch_size` is 0; what beginning a pass returns.
    pub fn batches(&self, batch_size: usize, visit: &Visit) -> Result<SourceBatches> {
        if batch_size == 0 {
            return Err(Error::argument("batch_size", "is 0; give at least 1"));
        }
        SourceBatches::new(self.streaming(), batch_size, visit)
    }

    /// Cuts off the last `fraction` for validation: `(training, validation)`, cut at
    /// `floor(n * (1 - fraction))`, as [`Dataset::split_last`].
    ///
    /// # Errors
    /// [`Error::Argument`] if `fraction` is not in `(0, 1)` or leaves one side empty, or if this is
    /// a stream.
    pub fn split_last(&self, fraction: f64) -> Result<(Source, Source)> {
        if let SourceKind::Dataset(data) = &self.kind {
            let (first, last) = data.split_last(fraction)?;
            return Ok((first.into(), last.into()));
        }
        let access = self.need_random_access("validation_split")?;
        let samples = access.len();
        let cut = cut_last(samples, fraction)?;
        let slice = |range| Source {
            kind: SourceKind::RandomAccess(Arc::new(Slice::new(Arc::clone(&access), range))),
            ahead: self.ahead,
        };
        Ok((slice(0..cut), slice(cut..samples)))
    }

    /// What was made of this source; it reads ahead as this one does.
    pub(crate) fn with_kind_of(&self, made: Source) -> Source {
        Source { ahead: self.ahead, ..made }
    }
}
