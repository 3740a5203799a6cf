//! The batches that one call of fit, evaluate or predict reads, over all of its epochs.

use super::loading::{Arrangement, Loader, Plan, Reading, SharedStream, Wanted};
use super::session::Session;
use crate::data::{BatchOrder, Dataset, Shuffle, Source, SourceKind, Visit};
use crate::error::{Error, Result};
use crate::program::Pass;

/// Batches that workers read ahead, unless told otherwise; Keras' `max_queue_size`.
const QUEUE: usize = 10;
/// Samples of a batch, unless told otherwise.
const BATCH_SIZE: usize = 32;

/// The argument that says how many steps an epoch of training has. The next epoch then goes on where
/// it stopped; a validation begins its data anew each time.
pub(super) const TRAINING_STEPS: &str = "steps_per_epoch";

/// What the caller asked for, and by which arguments.
pub(super) struct Asked {
    pub batch_size: (&'static str, Option<usize>),
    /// What an unspecified batch size means.
    pub default_batch_size: Option<usize>,
    pub steps: (&'static str, Option<usize>),
    pub workers: Option<usize>,
    pub max_queue_size: Option<usize>,
}

/// What the batches of a call come from.
pub(super) struct BatchSource {
    reading: Reading,
    /// The stream that all epochs read, if it is one.
    stream: Option<SharedStream>,
    /// Samples in a batch at most.
    pub batch_size: usize,
    /// Steps of an epoch, if that is known.
    pub steps: Option<usize>,
    /// Number of samples, if that is known.
    samples: Option<usize>,
    /// Whether the caller said how many steps an epoch has, so that the next one goes on where it
    /// stopped.
    goes_on: bool,
    workers: usize,
    ahead: usize,
}

/// Which batches of an epoch to read.
pub(super) struct EpochBatches {
    /// The number of the epoch in this call of fit, from 0; also those count that ran before the
    /// call broke off and was taken up again.
    pub in_call: u32,
    /// The number of the epoch in the model's life, from 0, on which what is random depends.
    pub counted: u32,
    /// The first step, from 0.
    pub first_step: usize,
    pub shuffle: Shuffle,
}

impl Session {
    /// What the data of `source` fill, where they fit the model; their targets too if they are
    /// wanted.
    ///
    /// # Errors
    /// [`Error::Argument`] and [`Error::Shape`] if they do not fit.
    pub(super) fn reading(&self, source: &Source, targets: bool) -> Result<Reading> {
        if source.is_empty() {
            return Err(Error::argument("data", "holds no sample; give at least one"));
        }
        Ok(match source.kind() {
            SourceKind::Dataset(data) => {
                let data = self.arranged(data, targets)?;
                match targets {
                    true => self.check_data(&data)?,
                    false => self.check_samples(&data)?,
                }
                Reading::Dataset(data)
            }
            SourceKind::RandomAccess(access) => {
                let arrangement = self.arrangement(source, targets)?;
                Reading::RandomAccess(access.clone(), arrangement.into())
            }
            SourceKind::Stream(stream) => {
                let arrangement = self.arrangement(source, targets)?;
                Reading::Stream(stream.clone(), arrangement.into())
            }
        })
    }

    pub(super) fn arrangement(&self, source: &Source, targets: bool) -> Result<Arrangement> {
        let inputs = self.compiled.architecture.inputs();
        let inputs: Vec<&str> = inputs.map(|(name, _)| name).collect();
        let outputs = self.report.outputs.iter().filter(|_| targets);
        let outputs: Vec<&str> = outputs.map(|output| output.name.as_str()).collect();
        let (program, classes) = (&*self.program, self.classes());
        Arrangement::new(
            &source.fields(),
            Wanted { program, inputs: &inputs, outputs: &outputs, classes },
        )
    }
}

impl BatchSource {
    /// The batches of `reading`, which is what `source` holds.
    ///
    /// # Errors
    /// [`Error::Argument`] for a batch size or a number of steps that makes no sense for it.
    pub(super) fn new(source: &Source, reading: Reading, asked: &Asked) -> Result<Self> {
        let (argument, batch_size) = asked.batch_size;
        let batch_size = match (source.batch_size(), batch_size) {
            (_, Some(0)) => return Err(Error::argument(argument, "is 0; give at least 1")),
            (Some(own), Some(given)) => {
                let problem = format!(
                    "is {given}, and the source makes batches by itself (of up to {own} samples); \
                     leave it out"
                );
                return Err(Error::argument(argument, problem));
            }
            (Some(own), None) => own,
            (None, given) => given.or(asked.default_batch_size).unwrap_or(BATCH_SIZE),
        };
        if asked.max_queue_size == Some(0) {
            return Err(Error::argument("max_queue_size", "is 0; give at least 1"));
        }
        let (samples, stream) = match &reading {
            Reading::Dataset(data) => (Some(data.len()), None),
            Reading::RandomAccess(access, _) => (Some(access.len()), None),
            Reading::Stream(stream, _) => (stream.len(), Some(SharedStream::new(stream.clone()))),
        };
        let batches = match (&reading, source.batch_size()) {
            (Reading::Stream(stream, _), Some(_)) => stream.batches(),
            _ => samples.map(|samples| samples.div_ceil(batch_size)),
        };
        let (argument, given) = asked.steps;
        // An epoch of training can go over the end of a stream's pass.
        let most = batches.filter(|_| stream.is_none() || argument != TRAINING_STEPS);
        let steps = match (given, most) {
            (None, _) if source.is_endless() => {
                let problem = "is needed, as the data never end; give the number of batches";
                return Err(Error::argument(argument, problem));
            }
            (None, _) => batches,
            (Some(0), None) => return Err(Error::argument(argument, "is 0; give at least 1")),
            (Some(steps), None) => Some(steps),
            (Some(steps), Some(most)) if (1..=most).contains(&steps) => Some(steps),
            (Some(steps), Some(most)) => {
                let samples = samples.map_or("the".into(), |samples| samples.to_string());
                let problem = format!(
                    "is {steps}; {samples} samples in batches of {batch_size} make {most} steps, \
                     give 1 to {most}"
                );
                return Err(Error::argument(argument, problem));
            }
        };
        let default_workers = match source.is_in_memory() || cfg!(target_arch = "wasm32") {
            true => usize::from(source.ahead().is_some_and(|ahead| ahead > 0)),
            false => 1,
        };
        Ok(BatchSource {
            reading,
            stream,
            batch_size,
            steps,
            samples,
            goes_on: given.is_some() && argument == TRAINING_STEPS,
            workers: asked.workers.unwrap_or(default_workers),
            ahead: asked.max_queue_size.or(source.ahead()).unwrap_or(QUEUE).max(1),
        })
    }

    /// The arrays in memory that it reads, if it does.
    pub(super) fn dataset(&self) -> Option<&Dataset> {
        match &self.reading {
            Reading::Dataset(data) => Some(data),
            Reading::RandomAccess(..) | Reading::Stream(..) => None,
        }
    }

    /// The most samples that a batch can have.
    pub(super) fn largest_batch(&self) -> usize {
        self.samples.unwrap_or(usize::MAX).min(self.batch_size).max(1)
    }

    /// Samples of the batch that is smaller than the others, if an epoch is known to end with one.
    pub(super) fn smaller_batch(&self) -> Option<usize> {
        let samples = self.samples?;
        let reached = self.steps.is_none_or(|steps| samples / self.batch_size < steps);
        let smaller = samples % self.batch_size;
        (reached && smaller > 0).then_some(smaller)
    }

    /// Goes to where the first epoch of a call begins that is not its first: a stream is read up to
    /// there.
    ///
    /// # Errors
    /// Those of the source.
    pub(super) fn skip_to(&self, visit: &Visit, first: &EpochBatches) -> Result<()> {
        let (Some(stream), Some(steps), true) = (&self.stream, self.steps, self.goes_on) else {
            return Ok(());
        };
        for back in (1..=first.in_call).rev() {
            stream.begin_epoch(&visit.in_epoch(first.counted.wrapping_sub(back)), true)?;
            stream.skip(steps, self.batch_size)?;
        }
        Ok(())
    }

    /// Loads the batches of an epoch for `pass`.
    ///
    /// # Errors
    /// Those of the source; [`Error::Argument`] if the system gives no thread.
    pub(super) async fn loader(
        &self,
        session: &mut Session,
        pass: Pass,
        visit: &Visit,
        epoch: &EpochBatches,
    ) -> Result<Loader> {
        let EpochBatches { counted, first_step, shuffle, .. } = *epoch;
        // A pass that goes on over epochs is cancelled with the last of them; any other one is of
        // this epoch alone, after which threads may be at work on what nobody wants.
        let visit = match self.goes_on {
            true => visit.in_epoch(counted),
            false => Visit::new(visit.seed, counted),
        };
        let last_step = self.steps.unwrap_or(usize::MAX);
        let mut batches = first_step..last_step;
        let order = self
            .samples
            .filter(|_| self.stream.is_none())
            .map(|samples| BatchOrder::new(samples, self.batch_size, shuffle, visit.seed, counted));
        if order.is_some() && shuffle == Shuffle::Off && self.goes_on {
            let before = (epoch.in_call as usize).saturating_mul(last_step);
            batches = before.saturating_add(first_step)..before.saturating_add(last_step);
        }
        if let Some(stream) = &self.stream {
            stream.begin_epoch(&visit, self.goes_on)?;
            stream.skip(first_step, self.batch_size)?;
        }
        // Of rows that lie on the device, only the numbers are loaded.
        let on_device = session.on_device && pass == Pass::Train;
        let workers = if on_device { 0 } else { self.workers };
        if workers > 0 {
            // One more than are read ahead is at work.
            session.executor.reserve_slots(self.ahead.saturating_add(2)).await?;
        }
        let plan = Plan {
            reading: self.reading.clone(),
            order,
            stream: self.stream.clone(),
            visit,
            pass,
            batches,
            batch_size: self.batch_size,
            rows_at_once: session.rows_at_once(pass, self.largest_batch())?,
            own: session.own_shards(),
            on_device,
            workers,
            ahead: self.ahead,
            profile: session.profile.clone(),
        };
        Loader::new(plan, &session.program)
    }

    /// Whether an epoch that has made so many steps has made all that were promised.
    ///
    /// # Errors
    /// [`Error::Data`] if the data ended before.
    pub(super) fn check_end(&self, what: &str, steps: usize, samples: usize) -> Result<()> {
        match self.steps {
            Some(promised) if steps < promised => Err(Error::data(
                what,
                format!(
                    "the data ended after {steps} of {promised} batches ({samples} samples); ask \
                     for fewer steps, or repeat the source"
                ),
            )),
            _ if steps == 0 => Err(Error::data(what, "the data have no sample; give at least one")),
            _ => Ok(()),
        }
    }
}
