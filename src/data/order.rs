//! The order in which an epoch visits the samples.

use std::ops::Range;

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
#[derive(Debug, Clone)]
pub struct BatchOrder {
    order: Vec<u32>,
    batch_size: usize,
}

impl BatchOrder {
    /// The order of `samples` samples in `epoch` (from 0), cut in batches of `batch_size` (at
    /// least 1); the last batch may be smaller.
    #[must_use]
    pub fn new(samples: usize, batch_size: usize, shuffle: Shuffle, seed: u64, epoch: u32) -> Self {
        let batch_size = batch_size.max(1);
        let mut order: Vec<u32> = (0..samples as u32).collect();
        let random = Random::new(seed, Stream::Shuffle(epoch));
        match shuffle {
            Shuffle::Off => {}
            Shuffle::Full => permute(&mut order, random),
            Shuffle::Batch => {
                let whole = order.chunks_exact(batch_size);
                let last = whole.remainder();
                let mut batches: Vec<&[u32]> = whole.collect();
                permute(&mut batches, random);
                order = [batches.concat().as_slice(), last].concat();
            }
        }
        BatchOrder { order, batch_size }
    }

    /// Number of batches: `ceil(samples / batch_size)`.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len().div_ceil(self.batch_size)
    }

    /// True if there is no batch.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// The samples of batch `index`; none beyond the last.
    #[must_use]
    pub fn batch(&self, index: usize) -> &[u32] {
        let Range { start, end } = index.saturating_mul(self.batch_size)
            ..index.saturating_add(1).saturating_mul(self.batch_size).min(self.order.len());
        self.order.get(start..end).unwrap_or_default()
    }
}

/// Fisher-Yates, from the end.
fn permute<T>(items: &mut [T], mut random: Random) {
    for i in (1..items.len()).rev() {
        items.swap(i, random.below(i as u64 + 1) as usize);
    }
}
