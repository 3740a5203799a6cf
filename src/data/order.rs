//! The order in which an epoch visits the samples.

use std::ops::Range;

use super::permutation::{Permutation, PermutationTables};
use crate::random::{Random, Stream};

/// How the samples are ordered, as Keras' `shuffle`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Shuffle {
    /// As they stand.
    Off,
    /// A new permutation each epoch.
    #[default]
    Full,
    /// The batches in a new permutation each epoch, the samples within them as they stand; a last,
    /// smaller batch stays the last. Keras' `"batch"`.
    Batch,
}

/// The batches of one epoch: a pure function of (samples, batch size, shuffle, seed, epoch).
///
/// It is computed place by place, so it takes the same memory for any number of samples.
#[derive(Debug, Clone)]
pub struct BatchOrder {
    samples: usize,
    batch_size: usize,
    shuffle: Shuffle,
    /// Of the samples, or of the whole batches.
    permutation: Permutation,
}

impl BatchOrder {
    /// The order of `samples` samples in `epoch` (from 0), cut in batches of `batch_size` (at
    /// least 1); the last batch may be smaller.
    #[must_use]
    pub fn new(samples: usize, batch_size: usize, shuffle: Shuffle, seed: u64, epoch: u32) -> Self {
        let batch_size = batch_size.max(1);
        let permuted = match shuffle {
            Shuffle::Off => 0,
            Shuffle::Full => samples,
            Shuffle::Batch => samples / batch_size,
        };
        let permutation = Permutation::new(permuted, Random::new(seed, Stream::Shuffle(epoch)));
        BatchOrder { samples, batch_size, shuffle, permutation }
    }

    /// Number of batches: `ceil(samples / batch_size)`.
    #[must_use]
    pub fn len(&self) -> usize {
        self.samples.div_ceil(self.batch_size)
    }

    /// True if there is no batch.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.samples == 0
    }

    /// Number of samples of all batches.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// Number of samples of batch `index`; 0 beyond the last.
    #[must_use]
    pub fn batch_len(&self, index: usize) -> usize {
        self.places(index).len()
    }

    /// The sample that is the `place`-th of the epoch, from 0; `place` itself beyond the last.
    #[must_use]
    pub fn sample(&self, place: usize) -> usize {
        self.sample_by(None, place)
    }

    /// Tables of at most 48 KiB that make it quicker to ask for all samples; `None` where there would
    /// be more, or few samples.
    pub(crate) fn tables(&self) -> Option<PermutationTables> {
        self.permutation.tables()
    }

    fn sample_by(&self, tables: Option<&PermutationTables>, place: usize) -> usize {
        match self.shuffle {
            Shuffle::Off => place,
            Shuffle::Full => self.permutation.at_by(tables, place),
            Shuffle::Batch => {
                // A last, smaller batch is not permuted, and stands where it stood.
                let batch = self.permutation.at_by(tables, place / self.batch_size);
                batch * self.batch_size + place % self.batch_size
            }
        }
    }

    /// The samples of batch `index`, as [`Batch::indices`](super::Batch::indices) has them, in a
    /// vector of its own; none beyond the last.
    #[must_use]
    pub fn batch(&self, index: usize) -> Vec<u32> {
        let mut samples = Vec::new();
        self.batch_into(index, &mut samples);
        samples
    }

    /// Replaces what `samples` holds by the samples of batch `index`: once it has room for a whole
    /// batch, nothing is allocated.
    pub fn batch_into(&self, index: usize, samples: &mut Vec<u32>) {
        samples.clear();
        samples.extend(self.places(index).map(|place| self.sample(place) as u32));
    }

    /// Some of the samples of batch `index`: those at the places `rows` in it.
    pub fn rows(&self, index: usize, rows: Range<usize>) -> impl Iterator<Item = usize> + '_ {
        self.places_of(index, rows).map(|place| self.sample(place))
    }

    /// The same as [`Batch::indices`](super::Batch::indices) has them, in place of what `samples`
    /// holds, by the order's own [`tables`](Self::tables) where it has some.
    pub(crate) fn rows_into(
        &self,
        tables: Option<&PermutationTables>,
        index: usize,
        rows: Range<usize>,
        samples: &mut Vec<u32>,
    ) {
        let places = self.places_of(index, rows);
        samples.clear();
        samples.extend(places.map(|place| self.sample_by(tables, place) as u32));
    }

    /// The places of the epoch that these places of a batch are.
    fn places_of(&self, index: usize, rows: Range<usize>) -> Range<usize> {
        let places = self.places(index);
        let start = places.start.saturating_add(rows.start).min(places.end);
        let end = places.start.saturating_add(rows.end).clamp(start, places.end);
        start..end
    }

    /// Which places of the epoch the batch takes.
    fn places(&self, index: usize) -> Range<usize> {
        let first = index.saturating_mul(self.batch_size).min(self.samples);
        first..first.saturating_add(self.batch_size).min(self.samples)
    }
}
