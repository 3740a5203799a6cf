//! Samples in another order.

use std::sync::Arc;

use crate::data::fields::Fields;
use crate::data::permutation::Permutation;
use crate::data::samples::Samples;
use crate::data::source::{RandomAccess, Source, Visit};
use crate::error::Result;
use crate::random::{Random, Stream};

impl Source {
    /// The samples in a new order each epoch, which depends on the model's seed and the epoch and
    /// takes no memory. `fit` shuffles by itself unless told otherwise; this is for what follows:
    /// `take`, `batch`, `evaluate`.
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) if this is a stream; it has
    /// [`shuffle_buffer`](Self::shuffle_buffer).
    pub fn shuffle(&self) -> Result<Source> {
        self.shuffled("shuffle", None)
    }

    /// The samples in one order for all epochs, which depends on `seed` alone: before
    /// [`split_last`](Self::split_last) or [`k_folds`](Self::k_folds) of sorted data.
    ///
    /// # Errors
    /// As [`shuffle`](Self::shuffle).
    pub fn shuffle_once(&self, seed: u64) -> Result<Source> {
        self.shuffled("shuffle_once", Some(seed))
    }

    fn shuffled(&self, call: &'static str, seed: Option<u64>) -> Result<Source> {
        let inner = self.need_random_access(call)?;
        Ok(self.with_kind_of(Source::new(Shuffled { inner, seed })))
    }
}

#[derive(Debug)]
struct Shuffled {
    inner: Arc<dyn RandomAccess>,
    /// That of an order for all epochs.
    seed: Option<u64>,
}

impl Shuffled {
    fn permutation(&self, visit: &Visit) -> Permutation {
        let (seed, epoch) = self.seed.map_or((visit.seed, visit.epoch), |seed| (seed, 0));
        // Not the stream of the order in which fit takes them: the two would be the same.
        Permutation::new(self.inner.len(), Random::new(seed, Stream::SourceShuffle(epoch)))
    }
}

impl RandomAccess for Shuffled {
    fn fields(&self) -> &Arc<Fields> {
        self.inner.fields()
    }

    fn len(&self) -> usize {
        self.inner.len()
    }

    fn read(&self, index: usize, visit: &Visit, into: &mut Samples) -> Result<()> {
        self.inner.read(self.permutation(visit).at(index), visit, into)
    }

    fn read_all(&self, indices: &[usize], visit: &Visit, into: &mut Samples) -> Result<()> {
        let permutation = self.permutation(visit);
        let indices: Vec<usize> = indices.iter().map(|&index| permutation.at(index)).collect();
        self.inner.read_all(&indices, visit, into)
    }

    fn place(&self, index: usize) -> String {
        match self.seed {
            Some(_) => self.inner.place(self.permutation(&Visit::default()).at(index)),
            None => format!("sample {index} of the shuffled source"),
        }
    }

    fn is_in_memory(&self) -> bool {
        self.inner.is_in_memory()
    }
}
