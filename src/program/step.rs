//! What changes from step to step.

use super::Pass;
use crate::optimizer::{EpsilonRule, Optimizer};
use crate::random::{Random, Stream};

/// The scalars of one step, computed by the host in f64.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Samples in this batch.
    pub live_rows: usize,
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
            number: 0,
            updates: false,
            step_size: 0.0,
            root_scale: 1.0,
            decay: 0.0,
            noise: 0,
        }
    }

    /// Step `number` (from 1), each of which updates, with `learning_rate` in place of the
    /// optimizer's own.
    pub fn train(optimizer: &Optimizer, live_rows: usize, number: u64, learning_rate: f64) -> Self {
        Self::accumulate(optimizer, live_rows, number, learning_rate, 1)
    }

    /// The same where each `accumulated` steps make one update.
    pub fn accumulate(
        optimizer: &Optimizer,
        live_rows: usize,
        number: u64,
        learning_rate: f64,
        accumulated: usize,
    ) -> Self {
        let accumulated = accumulated.max(1) as u64;
        let update = number.div_ceil(accumulated);
        let (step_size, root_scale) = match optimizer {
            Optimizer::Adam(adam) => {
                let t = update as f64;
                let first = 1.0 - adam.beta_1.powf(t);
                let second = (1.0 - adam.beta_2.powf(t)).sqrt();
                match adam.epsilon_rule {
                    EpsilonRule::Keras => (learning_rate * (second / first), 1.0),
                    EpsilonRule::PyTorch => (learning_rate / first, 1.0 / second),
                }
            }
            Optimizer::Sgd(_) | Optimizer::RmsProp(_) | Optimizer::Adagrad(_) => {
                (learning_rate, 1.0)
            }
        };
        let decay = learning_rate * optimizer.weight_decay();
        let updates = number.is_multiple_of(accumulated);
        Step { live_rows, number, updates, step_size, root_scale, decay, noise: 0 }
    }

    /// What runs when `pass` is asked for.
    pub fn passes(&self, pass: Pass) -> &'static [Pass] {
        match pass {
            Pass::Train if self.updates => &[Pass::Train, Pass::Update],
            Pass::Train => &[Pass::Train],
            Pass::Evaluate => &[Pass::Evaluate],
            Pass::Predict => &[Pass::Predict],
            Pass::Update => &[Pass::Update],
        }
    }

    /// The same with the random bits that belong to this seed and step.
    pub fn with_noise(self, seed: u64) -> Self {
        Step { noise: Random::new(seed, Stream::Noise).at(self.number), ..self }
    }
}
