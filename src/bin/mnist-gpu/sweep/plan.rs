//! Which runs a sweep makes.

use anyhow::{Context, ensure};

use crate::args::{self, BatchSize, Equal};
use crate::train;

/// The batch size that the learning rate is given for, where it follows the batch size.
const BASE: f64 = 32.0;

/// One run.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RunPlan {
    pub batch_size: usize,
    pub learning_rate: f64,
    /// `ceil(samples / batch_size)`.
    pub steps_per_epoch: usize,
    /// Steps of the whole run.
    pub steps: u64,
    /// Epochs that are begun; the last one may end early.
    pub epochs: u32,
}

/// All runs.
#[derive(Debug)]
pub(super) struct Plan {
    pub runs: Vec<RunPlan>,
    equal: Equal,
    /// The learning rate that was given, or the optimizer's own.
    learning_rate: f64,
    linear_scaling: bool,
    samples: usize,
}

impl Plan {
    /// On `samples` training samples.
    ///
    /// # Errors
    /// If a batch size stands twice or is more than there are samples; if the arguments contradict
    /// each other.
    pub(super) fn new(args: &args::Sweep, samples: usize) -> anyhow::Result<Self> {
        ensure!(samples > 0, "there are no training samples");
        let mut sizes: Vec<usize> = Vec::new();
        for &size in &args.batch_sizes {
            let size = match size {
                BatchSize::Full => samples,
                BatchSize::Samples(size) => size,
            };
            ensure!(
                size <= samples,
                "--batch-sizes: {size} is more than the {samples} training samples; full takes all"
            );
            ensure!(
                !sizes.contains(&size),
                "--batch-sizes: {size} stands twice{}",
                if size == samples { " (full is all training samples)" } else { "" }
            );
            sizes.push(size);
        }
        let largest = sizes.iter().copied().max().context("--batch-sizes: give at least one")?;
        let epochs = args.train.epochs;
        let steps = match (args.equal, args.train.steps_per_epoch) {
            (Equal::Samples, Some(_)) => anyhow::bail!(
                "--steps-per-epoch makes runs of equally many steps; give --equal steps with it"
            ),
            (Equal::Samples, None) => None,
            (Equal::Steps, given) => {
                let in_epoch = given.unwrap_or_else(|| samples.div_ceil(largest));
                Some(u64::from(epochs).saturating_mul(in_epoch as u64))
            }
        };
        let args::Train { optimizer, learning_rate, .. } = args.train;
        let learning_rate = train::optimizer(optimizer, learning_rate).learning_rate();
        let run = |batch_size: usize| {
            let steps_per_epoch = samples.div_ceil(batch_size);
            let steps =
                steps.unwrap_or_else(|| u64::from(epochs).saturating_mul(steps_per_epoch as u64));
            let epochs = u32::try_from(steps.div_ceil(steps_per_epoch as u64));
            let factor = if args.linear_scaling { batch_size as f64 / BASE } else { 1.0 };
            let learning_rate = learning_rate * factor;
            let epochs = epochs.context("too many epochs; give fewer steps")?;
            Ok(RunPlan { batch_size, learning_rate, steps_per_epoch, steps, epochs })
        };
        let runs = sizes.into_iter().map(run).collect::<anyhow::Result<Vec<_>>>()?;
        let linear_scaling = args.linear_scaling;
        Ok(Plan { runs, equal: args.equal, learning_rate, linear_scaling, samples })
    }

    /// What the runs have equally many of.
    pub(super) fn equal(&self) -> &'static str {
        match self.equal {
            Equal::Samples => "samples",
            Equal::Steps => "steps",
        }
    }

    /// One line: how long each run is, and how fast it learns.
    pub(super) fn describe(&self) -> String {
        let (Some(first), samples, rate) = (self.runs.first(), self.samples, self.learning_rate)
        else {
            return String::new();
        };
        let length = match self.equal {
            Equal::Samples => {
                let all = samples as u64 * u64::from(first.epochs);
                format!("{all} samples ({} epochs of {samples})", first.epochs)
            }
            Equal::Steps => format!("{} steps", first.steps),
        };
        let rate = match self.linear_scaling {
            true => format!("{rate} times batch size / {BASE} (Goyal and others, 2017)"),
            false => rate.to_string(),
        };
        format!("each run: {length}, learning rate {rate}")
    }
}
