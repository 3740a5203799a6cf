//! Training.

use std::sync::Arc;

use super::arguments::{Fit, ValidationFreq, check_batch_size};
use super::batch_source::{Asked, BatchSource, EpochBatches, TRAINING_STEPS};
use super::batches::Purpose;
#[cfg(not(target_arch = "wasm32"))]
use super::blocking::block_on;
use super::blocking::blocking;
use super::callback::{Callback, EpochStart, Resume, TrainStart};
use super::history::{EpochRecord, History};
use super::loading::Reading;
use super::model::Model;
use super::run::{Run, SnapshotsDue, with_progress};
use super::send::BoxFuture;
use super::session::{Session, Totals};
use crate::clock::Instant;
use crate::data::{Shuffle, Source, SourceKind, Visit};
use crate::distributed::Transport;
use crate::error::{Error, Result};
use crate::program::{Metrics, Pass};

impl Model {
    /// Trains on `data`: a [`Dataset`](crate::Dataset) or any other
    /// [`Source`](crate::data::Source).
    ///
    /// # Errors
    /// [`Error::Argument`] and [`Error::Shape`] for arguments or data that do not fit, before
    /// anything is changed; [`Error::Data`] and [`Error::Io`] if the source fails, or ends in
    /// the middle of an epoch, after the steps before that; [`Error::NonFinite`] if the loss
    /// stopped being a number; [`Error::Device`] if the device fails; what a callback returns.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn fit(&mut self, data: impl Into<Source>, arguments: Fit<'_>) -> Result<History> {
        block_on(self.session.fit(data.into(), arguments))
    }

    /// Trains on `data`, a [`Dataset`](crate::Dataset) or any other
    /// [`Source`](crate::data::Source), beside other tasks: on any executor, or polled by hand,
    /// once a frame.
    ///
    /// It yields before each step, and wakes itself where it waits for nothing else, so that each
    /// poll makes at most one step. Each step is a submission of its own, whosever device it is,
    /// unless [`steps_per_submit`](Fit::steps_per_submit) says more. The first poll does more than
    /// the others: it compiles what was not compiled yet, unless
    /// [`prepare_fit_async`](Self::prepare_fit_async) has done so.
    ///
    /// Dropping the future cancels the fit: nothing is submitted after the submission under way,
    /// and the model has counted exactly the steps that it has made. Natively the future is `Send`.
    ///
    /// # Errors
    /// [`Error::Argument`] and [`Error::Shape`] for arguments or data that do not fit, before
    /// anything is changed; [`Error::Data`] and [`Error::Io`] if the source fails, or ends in
    /// the middle of an epoch, after the steps before that; [`Error::NonFinite`] if the loss
    /// stopped being a number; [`Error::Device`] if the device fails; what a callback returns.
    pub async fn fit_async(
        &mut self,
        data: impl Into<Source>,
        mut arguments: Fit<'_>,
    ) -> Result<History> {
        if arguments.distribute.is_some() {
            let problem = "waits for other processes, which a future must not; call fit, in a thread \
                           of its own";
            return Err(Error::argument("distribute", problem));
        }
        arguments.steps_per_submit.get_or_insert(1);
        self.session.fit(data.into(), arguments).await
    }

    blocking! {
        /// Allocates and compiles what [`fit`](Self::fit) needs for batches of up to `batch_size`
        /// samples, which it else does when it begins: a program can read its data meanwhile. What
        /// evaluation and prediction need is made when they are first asked for.
        ///
        /// # Errors
        /// [`Error::Argument`] if `batch_size` is 0 or the device cannot hold the model;
        /// [`Error::Device`] if the device fails.
        prepare_fit, prepare_fit_async(&mut self, batch_size: usize) -> Result<()> {
            check_batch_size("batch_size", batch_size)?;
            self.session.forget_cancelled()?;
            // Room for larger batches is made by clearing what the steps before have added up.
            self.session.flush_totals().await?;
            self.session.prepare(Pass::Train, batch_size).await
        }
    }
}

/// The epochs of a fit.
struct Epochs<'a> {
    train: &'a BatchSource,
    validation: Option<&'a Validation>,
    shuffle: Shuffle,
    visit: Visit,
    /// Epochs that the caller counts as done before the call.
    initial: u32,
    /// Number of the last one.
    last: u32,
}

impl Run<'_> {
    async fn fit(
        &mut self,
        train: &BatchSource,
        validation: Option<&Validation>,
        arguments: Fit<'_>,
    ) -> Result<History> {
        let Fit { epochs, initial_epoch, shuffle, .. } = arguments;
        let (mut callbacks, mut progress) = (arguments.callbacks, None);
        let callbacks = &mut with_progress(&mut callbacks, arguments.verbose, &mut progress);
        let names = self.session.value_names(validation.is_some());
        let mut start = TrainStart::new(initial_epoch, epochs, train.steps, names);
        let resume = self.resume(&start, arguments.resume, callbacks).await?;
        let resume = self.session.share_state(resume).await?;
        let done = resume.unwrap_or(Resume::new(initial_epoch, 0));
        start.initial_epoch = done.epochs;
        let rows = train.largest_batch();
        self.session.prepare(Pass::Train, rows).await?;
        let at_once = self.session.rows_at_once(Pass::Train, rows)?;
        if let Some(rows) = train.smaller_batch() {
            self.session.prepare_parts(Pass::Train, rows, at_once).await?;
        }
        start.micro_batch_size = Some(at_once).filter(|&at_once| at_once < rows);
        start.shards = self.session.compiled.shards;
        self.each(callbacks, |callback, run| callback.train_begin(run, &start)).await?;
        self.session.executor.set_steps_per_submit(arguments.steps_per_submit)?;
        let left = epochs.saturating_sub(done.epochs);
        self.session.put_on_device(train, arguments.data_on, left).await?;
        if initial_epoch > 0 && resume.is_none() {
            self.session.epochs = initial_epoch;
        }
        self.snapshots = arguments.snapshot_every.map(SnapshotsDue::every);
        self.snapshot_if_due(done).await?;
        let visit = Visit::new(self.session.compiled.seed, 0);
        let shuffle = shuffle.unwrap_or_default();
        let epochs =
            Epochs { train, validation, shuffle, visit, initial: initial_epoch, last: epochs };
        if done.epochs < epochs.last {
            let (in_call, counted) =
                (done.epochs.saturating_sub(initial_epoch), self.session.epochs);
            let first = EpochBatches { in_call, counted, first_step: 0, shuffle };
            train.skip_to(&epochs.visit, &first)?;
        }
        let mut history = History::default();
        let mut first_step = done.steps;
        for epoch in done.epochs.saturating_add(1)..=epochs.last {
            let record = self.epoch(&epochs, epoch, first_step, callbacks).await?;
            self.each(callbacks, |callback, run| callback.epoch_end(run, &record)).await?;
            history.epochs.push(record);
            if self.stopped {
                break;
            }
            self.snapshot_if_due(Resume::new(epoch, 0)).await?;
            first_step = 0;
        }
        history.stopped = self.stopped;
        self.each(callbacks, |callback, run| callback.train_end(run, &history)).await?;
        Ok(history)
    }

    /// Where a broken run goes on: `asked`, unless a callback says more; `None` if it begins.
    async fn resume(
        &mut self,
        start: &TrainStart,
        asked: Option<Resume>,
        callbacks: &mut [&mut dyn Callback],
    ) -> Result<Option<Resume>> {
        let mut resume = asked;
        self.each(callbacks, |callback, run| {
            resume = callback.resume(run, start)?.or(resume);
            Ok(())
        })
        .await?;
        let Some(Resume { steps, epochs }) = resume else {
            return Ok(None);
        };
        if epochs > start.epochs {
            let problem = format!("says that {epochs} epochs are done of {}", start.epochs);
            return Err(Error::argument("resume", problem));
        }
        if let Some(all) = start.steps.filter(|&all| steps >= all) {
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
        let _span = self.session.profile.span("epoch").with("epoch", epoch.into());
        let Epochs { train, shuffle, last, ref visit, .. } = *epochs;
        let counted = self.session.epochs;
        let in_call = epoch.saturating_sub(1).saturating_sub(epochs.initial);
        let batches = EpochBatches { in_call, counted, first_step, shuffle };
        let mut loader = train.loader(self.session, Pass::Train, visit, &batches).await?;
        self.session.epochs = counted.wrapping_add(1);
        let start = EpochStart::new(epoch, last, train.steps);
        self.each(callbacks, |callback, run| callback.epoch_begin(run, start)).await?;
        let steps_before = self.session.steps().saturating_sub(first_step as u64);
        let purpose = Purpose::Train { epoch, steps_before };
        let waited_before = self.session.waited_for_exchange();
        let steps_begun = Instant::now();
        let ran = self.batches(purpose, &mut loader, first_step, train.steps, callbacks).await?;
        let waits = loader.waits(steps_begun.elapsed());
        if !self.stopped {
            let place = format!("epoch {epoch}");
            let ended = train.check_end(&place, first_step + ran.steps, ran.samples);
            if let Err(error) = ended {
                return Err(self.failed(error, purpose, callbacks).await);
            }
        }
        drop(loader);
        let mut record = EpochRecord::new(epoch, self.scores(purpose, ran.samples).await?);
        (record.learning_rate, record.resumed_after) = (ran.learning_rate, first_step);
        record.waits = waits;
        record.waits.for_exchange =
            self.session.exchange_share(waited_before, steps_begun.elapsed());
        self.session.totals = Totals::default();
        self.session.executor.clear_metrics()?;
        self.session.compare_parameters(epoch).await?;
        if let Some(Validation { data, freq }) = epochs.validation
            && freq.includes(epoch)
        {
            record.validation = Some(self.evaluate(data, callbacks).await?);
        }
        record.seconds = begun.elapsed().as_secs_f64();
        Ok(record)
    }
}

impl Session {
    fn fit<'f, 'a: 'f>(
        &'f mut self,
        data: Source,
        mut arguments: Fit<'a>,
    ) -> BoxFuture<'f, Result<History>> {
        Box::pin(async move {
            let transport = arguments.distribute.take();
            let history = self.fit_in_group(data, arguments, transport.as_ref()).await;
            self.leave(transport.as_ref(), history)
        })
    }

    async fn fit_in_group(
        &mut self,
        data: Source,
        arguments: Fit<'_>,
        transport: Option<&Arc<dyn Transport>>,
    ) -> Result<History> {
        let sources = [
            Some(("data", data.clone())),
            arguments.validation_data.clone().map(|data| ("validation_data", data)),
        ];
        let (train, validation) = self.check(data, &arguments)?;
        self.forget_cancelled()?;
        if let Some(transport) = transport {
            let sources: Vec<_> =
                sources.iter().flatten().map(|(name, source)| (*name, source)).collect();
            self.join(transport, arguments.description(), &sources).await?;
        }
        let outer = self.begin_totals().await?;
        let history = Run::new(self).fit(&train, validation.as_ref(), arguments).await;
        let ended = self.end_totals(outer);
        let freed = self.free_data();
        let mut history = history?;
        history.exchange = self.exchanged();
        ended.and(freed).map(|()| history)
    }

    /// Names of the values that an epoch's record has.
    fn value_names(&self, validates: bool) -> Vec<String> {
        let scores = || self.report.scores(&Metrics::default(), 1);
        let mut record = EpochRecord::new(1, scores());
        record.validation = validates.then(scores);
        record.values().into_iter().map(|(name, _)| name).collect()
    }

    /// Refuses what makes no sense, and cuts the data in training and validation.
    fn check(&self, data: Source, fit: &Fit<'_>) -> Result<(BatchSource, Option<Validation>)> {
        if fit.epochs == 0 {
            return Err(Error::argument("epochs", "is 0; give at least 1"));
        }
        if fit.initial_epoch >= fit.epochs {
            let (initial, epochs) = (fit.initial_epoch, fit.epochs);
            let problem =
                format!("is {initial}, and epochs {epochs}: none would run; give less than epochs");
            return Err(Error::argument("initial_epoch", problem));
        }
        for (argument, steps) in
            [("steps_per_submit", fit.steps_per_submit), ("snapshot_every", fit.snapshot_every)]
        {
            if steps == Some(0) {
                return Err(Error::argument(argument, "is 0; give at least 1"));
            }
        }
        if data.is_stream() {
            refuse_for_stream(fit)?;
        }
        let data = self.weighted(data, fit)?;
        // Before it is cut, so that samples have the numbers that the caller knows.
        let reading = self.reading(&data, true)?;
        let (train, reading, validation) = match (fit.validation_split, &fit.validation_data) {
            (0.0, validation) => (data, reading, validation.clone()),
            (fraction, None) => {
                let (train, validation) = match reading {
                    // Arranged, so that the names do not matter any more.
                    Reading::Dataset(data) => Source::from(data).split_last(fraction)?,
                    Reading::RandomAccess(..) | Reading::Stream(..) => data.split_last(fraction)?,
                };
                let reading = self.reading(&train, true)?;
                (train, reading, Some(validation))
            }
            (_, Some(_)) => {
                return Err(Error::argument(
                    "validation_split",
                    "is given together with validation_data; give one of them",
                ));
            }
        };
        let reading = match (reading, fit.class_weight.as_slice()) {
            (reading, []) => reading,
            (Reading::Dataset(data), weights) => {
                Reading::Dataset(data.with_class_weights(weights)?)
            }
            (Reading::RandomAccess(access, _), weights) => {
                let arrangement = self.arrangement(&train, true)?.with_class_weight(weights)?;
                Reading::RandomAccess(access, arrangement.into())
            }
            (Reading::Stream(stream, _), weights) => {
                let arrangement = self.arrangement(&train, true)?.with_class_weight(weights)?;
                Reading::Stream(stream, arrangement.into())
            }
        };
        let asked = Asked {
            batch_size: ("batch_size", fit.batch_size),
            default_batch_size: None,
            steps: (TRAINING_STEPS, fit.steps_per_epoch),
            workers: fit.workers,
            max_queue_size: fit.max_queue_size,
        };
        let train = BatchSource::new(&train, reading, &asked)?;
        let validation = match validation {
            Some(data) => Some(self.validation(&data, fit, train.batch_size)?),
            None => {
                refuse_without_validation(fit)?;
                None
            }
        };
        Ok((train, validation))
    }

    /// The data with the weights that are among the arguments.
    fn weighted(&self, data: Source, fit: &Fit<'_>) -> Result<Source> {
        if fit.sample_weight.is_none() && fit.target_weight.is_empty() {
            return Ok(data);
        }
        let SourceKind::Dataset(data) = data.kind() else {
            let problem = "is given with a source that is no Dataset; let the source have weights \
                           (Source::weights)";
            return Err(Error::argument("sample_weight", problem));
        };
        let data = self.arranged(data, true)?;
        let data = match &fit.sample_weight {
            Some(weights) => data.with_sample_weights(weights.clone())?,
            None => data,
        };
        let mut targets = fit.target_weight.iter();
        let data = targets.try_fold(data, |data, (target, weights)| {
            data.with_target_weights(target, weights.clone())
        })?;
        Ok(data.into())
    }

    fn validation(&self, data: &Source, fit: &Fit<'_>, batch_size: usize) -> Result<Validation> {
        let refused =
            |error: Error| Error::argument("validation_data", format!("does not fit: {error}"));
        let reading = self.reading(data, true).map_err(refused)?;
        let asked = Asked {
            batch_size: ("validation_batch_size", fit.validation_batch_size),
            default_batch_size: Some(batch_size),
            steps: ("validation_steps", fit.validation_steps),
            workers: fit.workers,
            max_queue_size: fit.max_queue_size,
        };
        let data = BatchSource::new(data, reading, &asked)?;
        let freq = fit.validation_freq.clone().unwrap_or(ValidationFreq::Every(1));
        freq.check()?;
        Ok(Validation { data, freq })
    }
}

/// What the model is evaluated on after an epoch, and after which epochs.
struct Validation {
    data: BatchSource,
    freq: ValidationFreq,
}

/// Refuses what needs the number of samples, or any order of them.
fn refuse_for_stream(fit: &Fit<'_>) -> Result<()> {
    let refused = |argument, problem| Err(Error::argument(argument, problem));
    if fit.validation_split != 0.0 {
        return refused(
            "validation_split",
            "needs samples that can be read in any order, and the data are a stream; give \
             validation_data, or cut the stream by take and skip",
        );
    }
    match fit.shuffle {
        None | Some(Shuffle::Off) => Ok(()),
        Some(Shuffle::Full | Shuffle::Batch) => refused(
            "shuffle",
            "needs samples that can be read in any order, and the data are a stream; give the \
             source a shuffle_buffer, and leave this out",
        ),
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
