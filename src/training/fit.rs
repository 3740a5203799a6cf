//! The training loop.

use std::sync::Arc;
use std::time::Instant;

use super::arguments::{Fit, ValidationFreq, check_batch_size, steps};
use super::callback::{EpochStart, Flow, Resume, StepEnd, TrainStart};
use super::history::{EpochRecord, History};
use super::model::Model;
use super::totals::Totals;
use crate::data::{Batch, BatchOrder, Dataset};
use crate::error::{Error, Result};
#[cfg(not(target_arch = "wasm32"))]
use crate::gpu::block_on;
use crate::program::{Metrics, Pass};

impl Model {
    /// Trains on `data`.
    ///
    /// # Errors
    /// [`Error::Argument`] and [`Error::Shape`] for arguments or data that do not fit, before
    /// anything is changed; [`Error::NonFinite`] if the loss stopped being a number;
    /// [`Error::Device`] if the device fails; what a callback returns.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn fit(&mut self, data: &Dataset, arguments: Fit<'_>) -> Result<History> {
        block_on(self.fit_async(data, arguments))
    }

    /// [`fit`](Self::fit) for where nothing may block.
    ///
    /// # Errors
    /// As `fit`.
    pub async fn fit_async(&mut self, data: &Dataset, arguments: Fit<'_>) -> Result<History> {
        let (train, validation) = self.check(data, &arguments)?;
        let outer = self.begin_totals().await?;
        let history = self.run_epochs(&train, validation.as_ref(), arguments).await;
        let ended = self.end_totals(outer);
        let history = history?;
        ended.map(|()| history)
    }

    async fn run_epochs(
        &mut self,
        train: &Dataset,
        validation: Option<&Validation>,
        arguments: Fit<'_>,
    ) -> Result<History> {
        let Fit { batch_size, epochs, initial_epoch, shuffle, steps_per_epoch, .. } = arguments;
        let (mut callbacks, mut progress) = (arguments.callbacks, None);
        let mut callbacks = arguments.verbose.add_to(&mut callbacks, &mut progress);
        let steps = steps("steps_per_epoch", steps_per_epoch, train.len(), batch_size)?;
        let names = self.value_names(validation.is_some());
        let mut start = TrainStart { initial_epoch, epochs, steps, names };
        let mut resume = None;
        for callback in &mut callbacks {
            resume = callback.resume(self, &start)?.or(resume);
        }
        let Resume { epochs: done, steps: mut first } =
            resume.unwrap_or(Resume { epochs: initial_epoch, steps: 0 });
        if first >= steps {
            let problem =
                format!("says that {first} steps of an epoch are done, which has {steps}");
            return Err(Error::argument("resume", problem));
        }
        start.initial_epoch = done;
        for callback in &mut callbacks {
            callback.train_begin(self, &start)?;
        }
        self.executor.prepare(Pass::Train, batch_size.min(train.len())).await?;
        if initial_epoch > 0 && resume.is_none() {
            self.epochs = initial_epoch;
        }
        let together = self.compiled.steps_per_execution;
        let mut history = History::default();
        for epoch in done.saturating_add(1)..=epochs {
            let start = Instant::now();
            let order =
                BatchOrder::new(train.len(), batch_size, shuffle, self.compiled.seed, self.epochs);
            self.epochs = self.epochs.wrapping_add(1);
            for callback in &mut callbacks {
                callback.epoch_begin(self, EpochStart { epoch, epochs, steps })?;
            }
            let before = self.steps.saturating_sub(first as u64);
            let report = Arc::clone(&self.report);
            let finite = |metrics: Metrics, last: u64| match report.nonfinite_step(&metrics, last) {
                Some(step) => Err(Error::NonFinite {
                    step,
                    batch: Some((epoch, step.saturating_sub(before))),
                }),
                None => Ok(metrics),
            };
            let mut samples = 0;
            let mut learning_rate = self.learning_rate();
            let first_index = std::mem::take(&mut first);
            for index in first_index..steps {
                let begins = index.is_multiple_of(together) || index == first_index;
                for callback in callbacks.iter_mut().filter(|_| begins) {
                    callback.batch_begin(self, index + 1)?;
                }
                let batch = Batch { data: train, indices: order.batch(index) };
                learning_rate = self.learning_rate();
                let scalars = self.next_step(batch.len());
                self.run(Pass::Train, batch, &scalars).await?;
                self.steps = scalars.number;
                self.totals.on_device = true;
                samples += batch.len();
                if !(index + 1).is_multiple_of(together) && index + 1 < steps {
                    continue;
                }
                let step = StepEnd { step: index + 1, samples };
                let mut scores = None;
                for callback in &mut callbacks {
                    if callback.wants_scores(step) {
                        let scores = match &scores {
                            Some(scores) => scores,
                            None => {
                                let metrics = finite(self.read_totals().await?, self.steps)?;
                                scores.insert(self.report.scores(&metrics, samples))
                            }
                        };
                        callback.scores(step, scores);
                    }
                    history.stopped |= callback.batch_end(self, step)? == Flow::Stop;
                }
                if history.stopped {
                    break;
                }
            }
            let metrics = finite(self.read_totals().await?, self.steps)?;
            self.totals = Totals::default();
            self.executor.clear_metrics()?;
            let training = self.report.scores(&metrics, samples);
            let validation = match validation {
                Some(Validation { data, batch_size, steps, freq }) if freq.includes(epoch) => {
                    Some(self.measure(data, *batch_size, *steps, &mut callbacks).await?)
                }
                _ => None,
            };
            let seconds = start.elapsed().as_secs_f64();
            let record = EpochRecord { epoch, training, validation, learning_rate, seconds };
            for callback in &mut callbacks {
                history.stopped |= callback.epoch_end(self, &record)? == Flow::Stop;
            }
            history.epochs.push(record);
            if history.stopped {
                break;
            }
        }
        for callback in &mut callbacks {
            callback.train_end(self, &history)?;
        }
        Ok(history)
    }

    /// Names of the values that an epoch's record has.
    fn value_names(&self, validates: bool) -> Vec<String> {
        let scores = || self.report.scores(&Metrics::default(), 1);
        let record = EpochRecord {
            epoch: 1,
            training: scores(),
            validation: validates.then(scores),
            learning_rate: 0.0,
            seconds: 0.0,
        };
        record.values().into_iter().map(|(name, _)| name).collect()
    }

    /// Refuses what makes no sense, and cuts the data in training and validation.
    fn check(&self, data: &Dataset, fit: &Fit<'_>) -> Result<(Dataset, Option<Validation>)> {
        check_batch_size("batch_size", fit.batch_size)?;
        if fit.epochs == 0 {
            return Err(Error::argument("epochs", "is 0; give at least 1"));
        }
        if fit.initial_epoch >= fit.epochs {
            let (initial, epochs) = (fit.initial_epoch, fit.epochs);
            let problem =
                format!("is {initial}, and epochs {epochs}: none would run; give less than epochs");
            return Err(Error::argument("initial_epoch", problem));
        }
        let data = self.arranged(data, true)?;
        let data = match &fit.sample_weight {
            Some(weights) => data.with_sample_weights(weights.clone())?,
            None => data,
        };
        let data = fit.target_weight.iter().try_fold(data, |data, (target, weights)| {
            data.with_target_weights(target, weights.clone())
        })?;
        // Before it is cut, so that samples have the numbers that the caller knows.
        self.check_data(&data)?;
        let (train, validation) = match (fit.validation_split, fit.validation_data) {
            (0.0, None) => (data, None),
            (0.0, Some(validation)) => {
                let validation = self.arranged(validation, true).and_then(|validation| {
                    self.check_data(&validation)?;
                    Ok(validation)
                });
                let of_validation = |error: Error| {
                    Error::argument("validation_data", format!("does not fit: {error}"))
                };
                (data, Some(validation.map_err(of_validation)?))
            }
            (fraction, None) => {
                let (train, validation) = data.split_last(fraction)?;
                (train, Some(validation))
            }
            (_, Some(_)) => {
                return Err(Error::argument(
                    "validation_split",
                    "is given together with validation_data; give one of them",
                ));
            }
        };
        let train = match fit.class_weight.as_slice() {
            [] => train,
            weights => train.with_class_weights(weights)?,
        };
        steps("steps_per_epoch", fit.steps_per_epoch, train.len(), fit.batch_size)?;
        let validation = match validation {
            Some(data) => Some(Validation::new(data, fit)?),
            None => {
                refuse_without_validation(fit)?;
                None
            }
        };
        Ok((train, validation))
    }
}

/// What the model is evaluated on after an epoch, and after which epochs.
struct Validation {
    data: Dataset,
    batch_size: usize,
    steps: usize,
    freq: ValidationFreq,
}

impl Validation {
    fn new(data: Dataset, fit: &Fit<'_>) -> Result<Self> {
        let batch_size = fit.validation_batch_size.unwrap_or(fit.batch_size);
        check_batch_size("validation_batch_size", batch_size)?;
        let steps = steps("validation_steps", fit.validation_steps, data.len(), batch_size)?;
        let freq = fit.validation_freq.clone().unwrap_or(ValidationFreq::Every(1));
        freq.check()?;
        Ok(Validation { data, batch_size, steps, freq })
    }
}

fn refuse_without_validation(fit: &Fit<'_>) -> Result<()> {
    let given = [
        ("validation_steps", fit.validation_steps.is_some()),
        ("validation_batch_size", fit.validation_batch_size.is_some()),
        ("validation_freq", fit.validation_freq.is_some()),
    ];
    match given.into_iter().find(|&(_, given)| given) {
        Some((argument, _)) => Err(Error::argument(
            argument,
            "is given, but nothing to validate on; give validation_data or validation_split too",
        )),
        None => Ok(()),
    }
}
