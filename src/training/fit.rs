//! The training loop.

use std::time::Instant;

use super::arguments::{Evaluate, Fit};
use super::callback::{EpochStart, Flow, StepEnd};
use super::history::{EpochRecord, History};
use super::model::{Model, check_batch_size};
use crate::data::{Batch, BatchOrder, Dataset};
use crate::error::{Error, Result};
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
        pollster::block_on(self.fit_async(data, arguments))
    }

    /// [`fit`](Self::fit) for where nothing may block.
    ///
    /// # Errors
    /// As `fit`.
    pub async fn fit_async(&mut self, data: &Dataset, arguments: Fit<'_>) -> Result<History> {
        let (train, validation) = self.check(data, &arguments)?;
        self.keep_recorded().await?;
        self.executor.prepare(Pass::Train, arguments.batch_size.min(train.len())).await?;
        self.executor.clear_metrics()?;
        let history = self.run_epochs(&train, validation.as_ref(), arguments).await;
        if history.is_err() {
            // What the broken epoch has gathered must not be added to later scores. A failure
            // here would only follow from the error that is told.
            let _ = self.executor.clear_metrics();
        }
        history
    }

    async fn run_epochs(
        &mut self,
        train: &Dataset,
        validation: Option<&Dataset>,
        arguments: Fit<'_>,
    ) -> Result<History> {
        let Fit { batch_size, epochs, shuffle, steps_per_epoch, mut callbacks, .. } = arguments;
        let mut history = History::default();
        for epoch in 1..=epochs {
            let start = Instant::now();
            let order =
                BatchOrder::new(train.len(), batch_size, shuffle, self.compiled.seed, self.epochs);
            self.epochs += 1;
            let before = self.steps;
            let finite = |metrics: Metrics| match metrics.first_nonfinite_step {
                Some(step) => Err(Error::NonFinite {
                    step,
                    batch: Some((epoch, step.saturating_sub(before))),
                }),
                None => Ok(metrics),
            };
            let steps = steps_per_epoch.unwrap_or(order.len());
            for callback in &mut callbacks {
                callback.epoch_begin(EpochStart { epoch, epochs, steps });
            }
            let mut samples = 0;
            for index in 0..steps {
                let batch = Batch { data: train, indices: order.batch(index) };
                let scalars = self.next_step(batch.len());
                if let Err(error) = self.executor.run(Pass::Train, batch, &scalars).await {
                    self.steps -= 1;
                    return Err(error);
                }
                samples += batch.len();
                let step = StepEnd { step: index + 1, samples };
                for callback in &mut callbacks {
                    if callback.wants_scores(step) {
                        let metrics = finite(self.executor.read_metrics().await?)?;
                        callback.scores(step, self.scores(&metrics, samples));
                    }
                    history.stopped |= callback.step_end(step) == Flow::Stop;
                }
                if history.stopped {
                    break;
                }
            }
            let metrics = finite(self.executor.read_metrics().await?)?;
            self.executor.clear_metrics()?;
            let training = self.scores(&metrics, samples);
            let validation = match validation {
                Some(data) if !history.stopped => {
                    let arguments = Evaluate::new().batch_size(batch_size);
                    Some(self.evaluate_async(data, arguments).await?)
                }
                _ => None,
            };
            let seconds = start.elapsed().as_secs_f64();
            let record = EpochRecord { epoch, training, validation, seconds };
            for callback in &mut callbacks {
                history.stopped |= callback.epoch_end(&record)? == Flow::Stop;
            }
            history.epochs.push(record);
            if history.stopped {
                break;
            }
        }
        Ok(history)
    }

    /// Refuses what makes no sense, and cuts the data in training and validation.
    fn check(&self, data: &Dataset, fit: &Fit<'_>) -> Result<(Dataset, Option<Dataset>)> {
        check_batch_size(fit.batch_size)?;
        if fit.epochs == 0 {
            return Err(Error::argument("epochs", "is 0; give at least 1"));
        }
        let data = match &fit.sample_weight {
            Some(weights) => data.clone().with_sample_weights(weights.clone())?,
            None => data.clone(),
        };
        let (train, validation) = match (fit.validation_split, fit.validation_data) {
            (0.0, None) => (data, None),
            (0.0, Some(validation)) => (data, Some(validation.clone())),
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
        for part in [Some(&train), validation.as_ref()].into_iter().flatten() {
            self.check_data(part)?;
        }
        let batches = train.len().div_ceil(fit.batch_size);
        match fit.steps_per_epoch {
            Some(steps) if steps == 0 || steps > batches => Err(Error::argument(
                "steps_per_epoch",
                format!(
                    "is {steps}; {} samples in batches of {} make {batches} steps, give 1 to \
                     {batches}",
                    train.len(),
                    fit.batch_size
                ),
            )),
            _ => Ok((train, validation)),
        }
    }
}
