//! Training.

use super::arguments::{Fit, ValidationFreq, check_batch_size, steps};
use super::batches::{Batches, Purpose};
use super::blocking::blocking;
use super::callback::{Callback, EpochStart, Resume, TrainStart};
use super::history::{EpochRecord, History};
use super::model::Model;
use super::run::{Run, with_progress};
use super::session::{Session, Totals};
use crate::clock::Instant;
use crate::data::{BatchOrder, Dataset, Shuffle};
use crate::error::{Error, Result};
use crate::program::{Metrics, Pass};

impl Model {
    blocking! {
        /// Trains on `data`.
        ///
        /// # Errors
        /// [`Error::Argument`] and [`Error::Shape`] for arguments or data that do not fit, before
        /// anything is changed; [`Error::NonFinite`] if the loss stopped being a number;
        /// [`Error::Device`] if the device fails; what a callback returns.
        fit, fit_async(&mut self, data: &Dataset, arguments: Fit<'_>) -> Result<History> {
            let session = &mut self.session;
            let (train, validation) = session.check(data, &arguments)?;
            session.forget_cancelled()?;
            let outer = session.begin_totals().await?;
            let history = Run::new(session).fit(&train, validation.as_ref(), arguments).await;
            let ended = session.end_totals(outer);
            let freed = session.free_data();
            let history = history?;
            ended.and(freed).map(|()| history)
        }
    }
}

/// The epochs of a fit.
struct Epochs<'a> {
    train: &'a Dataset,
    validation: Option<&'a Validation>,
    batch_size: usize,
    shuffle: Shuffle,
    /// Number of the last one.
    last: u32,
    /// Steps in each.
    steps: usize,
}

impl Run<'_> {
    async fn fit(
        &mut self,
        train: &Dataset,
        validation: Option<&Validation>,
        arguments: Fit<'_>,
    ) -> Result<History> {
        let Fit { batch_size, epochs, initial_epoch, shuffle, steps_per_epoch, .. } = arguments;
        let (mut callbacks, mut progress) = (arguments.callbacks, None);
        let callbacks = &mut with_progress(&mut callbacks, arguments.verbose, &mut progress);
        let steps = steps("steps_per_epoch", steps_per_epoch, train.len(), batch_size)?;
        let names = self.session.value_names(validation.is_some());
        let mut start = TrainStart::new(initial_epoch, epochs, steps, names);
        let resume = self.resume(&start, callbacks).await?;
        let done = resume.unwrap_or(Resume::new(initial_epoch, 0));
        start.initial_epoch = done.epochs;
        let rows = batch_size.min(train.len());
        self.session.prepare(Pass::Train, rows).await?;
        let micro_batch_size = self.session.compiled.micro_batch_size;
        start.micro_batch_size = micro_batch_size.filter(|&micro| micro < rows);
        self.each(callbacks, |callback, run| callback.train_begin(run, &start)).await?;
        let all_steps = steps.saturating_mul(epochs.saturating_sub(done.epochs) as usize);
        let batches = [batch_size, all_steps];
        self.session.put_on_device(train, arguments.data_on, batches).await?;
        if initial_epoch > 0 && resume.is_none() {
            self.session.epochs = initial_epoch;
        }
        let epochs = Epochs { train, validation, batch_size, shuffle, last: epochs, steps };
        let mut history = History::default();
        let mut first_step = done.steps;
        for epoch in done.epochs.saturating_add(1)..=epochs.last {
            let record = self.epoch(&epochs, epoch, first_step, callbacks).await?;
            self.each(callbacks, |callback, run| callback.epoch_end(run, &record)).await?;
            history.epochs.push(record);
            if self.stopped {
                break;
            }
            first_step = 0;
        }
        history.stopped = self.stopped;
        self.each(callbacks, |callback, run| callback.train_end(run, &history)).await?;
        Ok(history)
    }

    /// Where a broken run goes on; `None` if no callback says so.
    async fn resume(
        &mut self,
        start: &TrainStart,
        callbacks: &mut [&mut dyn Callback],
    ) -> Result<Option<Resume>> {
        let mut resume = None;
        self.each(callbacks, |callback, run| {
            resume = callback.resume(run, start)?.or(resume);
            Ok(())
        })
        .await?;
        let Some(Resume { steps, .. }) = resume else {
            return Ok(None);
        };
        if steps >= start.steps {
            let all = start.steps;
            let problem = format!("says that {steps} steps of an epoch are done, which has {all}");
            return Err(Error::argument("resume", problem));
        }
        if steps > 0 {
            // The epoch that was broken off counts as begun, and will be counted again.
            self.session.epochs = self.session.epochs.saturating_sub(1);
        }
        Ok(resume)
    }

    /// Trains one epoch, from step `first_step` (from 0) on, and validates.
    async fn epoch(
        &mut self,
        epochs: &Epochs<'_>,
        epoch: u32,
        first_step: usize,
        callbacks: &mut [&mut dyn Callback],
    ) -> Result<EpochRecord> {
        let begun = Instant::now();
        let Epochs { train: data, batch_size, shuffle, last, steps, .. } = *epochs;
        let session = &mut *self.session;
        let seed = session.compiled.seed;
        let order = &BatchOrder::new(data.len(), batch_size, shuffle, seed, session.epochs);
        session.epochs = session.epochs.wrapping_add(1);
        let start = EpochStart::new(epoch, last, steps);
        self.each(callbacks, |callback, run| callback.epoch_begin(run, start)).await?;
        let steps_before = self.session.steps().saturating_sub(first_step as u64);
        let purpose = Purpose::Train { epoch, steps_before };
        let batches = Batches { purpose, data, order, steps: first_step..steps };
        let ran = self.batches(&batches, callbacks).await?;
        let mut record = EpochRecord::new(epoch, self.scores(purpose, ran.samples).await?);
        record.learning_rate = ran.learning_rate;
        self.session.totals = Totals::default();
        self.session.executor.clear_metrics()?;
        if let Some(Validation { data, batch_size, steps, freq }) = epochs.validation
            && freq.includes(epoch)
        {
            record.validation = Some(self.evaluate(data, *batch_size, *steps, callbacks).await?);
        }
        record.seconds = begun.elapsed().as_secs_f64();
        Ok(record)
    }
}

impl Session {
    /// Names of the values that an epoch's record has.
    fn value_names(&self, validates: bool) -> Vec<String> {
        let scores = || self.report.scores(&Metrics::default(), 1);
        let mut record = EpochRecord::new(1, scores());
        record.validation = validates.then(scores);
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
                let refused = |error: Error| {
                    Error::argument("validation_data", format!("does not fit: {error}"))
                };
                (data, Some(validation.map_err(refused)?))
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
