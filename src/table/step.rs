//! What changes from step to step.

use crate::random::{Random, Stream};

/// The scalars of one step, computed by the host in f64.
///
/// A batch runs as a whole, or in parts one after the other, whose gradients add up to those of the
/// whole: a part divides by the rows of the whole batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Samples in this part of the batch.
    pub live_rows: usize,
    /// Samples in the whole batch.
    pub batch_rows: usize,
    /// How many samples of the batch come before this part: 0 for a whole batch.
    pub first_row: usize,
    /// Whether this part is a shard, whose gradients are added up apart from the step.
    pub shard: bool,
    /// The number of this step, from 1; 0 outside training.
    pub number: u64,
    /// Whether it ends with an update, which accumulating steps do not.
    pub updates: bool,
    /// The learning rate, with Adam's bias corrections where it has some.
    pub step_size: f64,
    /// What Adam multiplies the root of its second moment by: a bias correction in PyTorch's
    /// rule, else 1.
    pub root_scale: f64,
    /// The share of each parameter that weight decay takes away.
    pub decay: f64,
    /// Random bits for what is random in this step; 0 unless given.
    pub noise: u64,
}

impl Step {
    /// A step outside training.
    pub fn forward(live_rows: usize) -> Self {
        Step {
            live_rows,
            batch_rows: live_rows,
            first_row: 0,
            shard: false,
            number: 0,
            updates: false,
            step_size: 0.0,
            root_scale: 1.0,
            decay: 0.0,
            noise: 0,
        }
    }

    /// The part of this step's batch that begins at `first_row` and has so many rows. What is random
    /// goes by a row's place in the whole batch.
    pub fn part(self, first_row: usize, live_rows: usize) -> Self {
        Step { first_row, live_rows, ..self }
    }

    /// The same as a shard of the batch.
    pub fn as_shard(self) -> Self {
        Step { shard: true, ..self }
    }

    /// The same with the random bits that belong to this seed and step.
    pub fn with_noise(self, seed: u64) -> Self {
        Step { noise: Random::new(seed, Stream::Noise).at(self.number), ..self }
    }
}
