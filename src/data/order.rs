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
    pub fn len(&self) -> usize {
        self.order.len().div_ceil(self.batch_size)
    }

    /// True if there is no batch.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// The samples of batch `index`; none beyond the last.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn visited(order: &BatchOrder) -> Vec<u32> {
        (0..order.len()).flat_map(|i| order.batch(i).to_vec()).collect()
    }

    #[test]
    fn every_sample_comes_once_and_the_last_batch_may_be_smaller() {
        for (samples, size) in [(1, 1), (10, 3), (10, 10), (10, 32), (129, 64)] {
            let order = BatchOrder::new(samples, size, Shuffle::Full, 3, 2);
            assert_eq!(order.len(), samples.div_ceil(size));
            let mut all = visited(&order);
            all.sort_unstable();
            assert_eq!(all, (0..samples as u32).collect::<Vec<_>>());
            let tail = order.batch(order.len() - 1).len();
            assert_eq!(tail, samples - (order.len() - 1) * size);
            assert!(order.batch(order.len()).is_empty());
        }
    }

    #[test]
    fn the_order_is_a_function_of_seed_and_epoch() {
        let order = |seed, epoch| visited(&BatchOrder::new(100, 7, Shuffle::Full, seed, epoch));
        assert_eq!(order(1, 0), order(1, 0));
        assert_ne!(order(1, 0), order(1, 1));
        assert_ne!(order(1, 0), order(2, 0));
        let off = visited(&BatchOrder::new(100, 7, Shuffle::Off, 1, 0));
        assert_eq!(off, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn batches_are_permuted_whole_and_the_smaller_one_stays_last() {
        let order = |epoch| BatchOrder::new(17, 3, Shuffle::Batch, 0, epoch);
        let mut orders = std::collections::HashSet::new();
        for epoch in 0..20 {
            let order = order(epoch);
            let batches: Vec<&[u32]> = (0..order.len()).map(|i| order.batch(i)).collect();
            let mut sorted = batches.clone();
            sorted.sort_unstable();
            let whole: [&[u32]; 6] =
                [&[0, 1, 2], &[3, 4, 5], &[6, 7, 8], &[9, 10, 11], &[12, 13, 14], &[15, 16]];
            assert_eq!(sorted, whole);
            assert_eq!(batches[5], [15, 16]);
            orders.insert(visited(&order));
        }
        // Of 120 permutations; fewer than 12 different ones in 20 have a chance below 1e-4.
        assert!(orders.len() >= 12, "{} orders in 20 epochs", orders.len());
        assert_eq!(visited(&order(4)), visited(&order(4)));
    }

    #[test]
    fn first_places_are_uniform() {
        let mut counts = [0u32; 5];
        for epoch in 0..5000 {
            counts[BatchOrder::new(5, 1, Shuffle::Full, 0, epoch).batch(0)[0] as usize] += 1;
        }
        // Five standard deviations of a binomial(5000, 1/5).
        assert!(counts.iter().all(|&c| (c as f64 - 1000.0).abs() < 5.0 * 28.3), "{counts:?}");
    }
}
