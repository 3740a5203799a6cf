//! Times the steps of a run, and ends it after as many as it has.

use std::time::Instant;

use minibatch::training::{Callback, Control, EpochRecord, Scores, StepEnd};

use super::plan::RunPlan;

/// Notes how long training takes, without validation and without the measurements between steps.
/// Asking for the scores makes fit wait for the device.
#[derive(Debug)]
pub(super) struct Watch {
    steps_per_epoch: usize,
    /// Steps of the whole run.
    limit: u64,
    /// Steps between measurements of other callbacks, which are not to be timed.
    every: u64,
    done: u64,
    running_since: Option<Instant>,
    seconds: f64,
    /// Samples of whole epochs and of this one.
    samples: [usize; 2],
    records: Vec<EpochRecord>,
    /// Of each record how many epochs were done, which is no whole number if the last one ended
    /// early.
    epochs: Vec<f64>,
}

impl Watch {
    pub(super) fn new(run: &RunPlan, every: u64) -> Self {
        Watch {
            steps_per_epoch: run.steps_per_epoch,
            limit: run.steps,
            every,
            done: 0,
            running_since: None,
            seconds: 0.0,
            samples: [0, 0],
            records: Vec::new(),
            epochs: Vec::new(),
        }
    }

    pub(super) fn is_complete(&self) -> bool {
        self.done >= self.limit
    }

    /// Steps made.
    pub(super) fn steps(&self) -> u64 {
        self.done
    }

    pub(super) fn step_seconds(&self) -> f64 {
        self.seconds / self.done.max(1) as f64
    }

    pub(super) fn samples_per_second(&self) -> f64 {
        self.samples.iter().sum::<usize>() as f64 / self.seconds.max(1e-9)
    }

    pub(super) fn epochs_seen(&self) -> Vec<f64> {
        self.epochs.clone()
    }

    /// The epochs; their seconds are those of training alone.
    pub(super) fn into_records(self) -> Vec<EpochRecord> {
        self.records
    }
}

impl Callback for Watch {
    fn batch_begin(&mut self, _run: &mut dyn Control, _step: usize) -> minibatch::Result<()> {
        self.running_since.get_or_insert_with(Instant::now);
        Ok(())
    }

    fn wants_scores(&mut self, step: StepEnd) -> bool {
        self.done += 1;
        self.samples[1] = step.samples;
        let ends = step.step == self.steps_per_epoch || self.is_complete();
        ends || self.done.is_multiple_of(self.every)
    }

    fn scores(&mut self, _step: StepEnd, _scores: &Scores) {
        if let Some(begun) = self.running_since.take() {
            self.seconds += begun.elapsed().as_secs_f64();
        }
    }

    fn batch_end(&mut self, run: &mut dyn Control, _step: StepEnd) -> minibatch::Result<()> {
        if self.is_complete() {
            run.stop();
        }
        Ok(())
    }

    fn epoch_end(&mut self, _run: &mut dyn Control, record: &EpochRecord) -> minibatch::Result<()> {
        let before: f64 = self.records.iter().map(|record| record.seconds).sum();
        let mut record = record.clone();
        record.seconds = self.seconds - before;
        self.records.push(record);
        self.epochs.push(self.done as f64 / self.steps_per_epoch as f64);
        self.samples = [self.samples.iter().sum(), 0];
        Ok(())
    }
}
