//! What training works on: the program, the executor that runs it, and what changes from step to
//! step.

use std::sync::Arc;

use super::callback::Resume;
use super::executor::{Backend, Executor};
use super::feed::FromDataset;
use super::loading::{Loader, Part};
use super::predictions::{Predictions, extend, unfilled};
use super::send::BoxFuture;
use super::sharing::Sharing;
use crate::data::Batch;
use crate::error::{Error, Result};
use crate::gpu::{RowStep, Scored, Taken};
use crate::model::Optimizer;
use crate::model::{Compiled, Lowered, Metadata, Report, SavedModel, check_optimizer, lowered};
use crate::profile::Profile;
use crate::program::{Metrics, Pass, Program, Role, Step};
use crate::schedule::Schedule;

/// Everything that the calls of a model share.
#[derive(Debug)]
pub(super) struct Session {
    pub compiled: Compiled,
    pub program: Arc<Program>,
    /// What the metric buffers mean.
    pub report: Arc<Report>,
    pub executor: Executor,
    /// Samples of the last batch that ran.
    pub last_rows: usize,
    /// Training steps made so far.
    pub steps: u64,
    /// Epochs begun so far, or as many as `initial_epoch` said: the number of the next one in the
    /// order of the samples.
    pub epochs: u32,
    /// Texts of the user's own that are saved with the model.
    pub metadata: Metadata,
    pub recorded: Recorded,
    pub on_batch: OnBatch,
    pub sharing: Sharing,
    /// Calls that gather scores on the device and have not ended: the validation of a fit runs
    /// within it.
    pub running: u32,
    /// Whether the inputs of the training that runs lie on the device.
    pub on_device: bool,
    /// Rows of a batch that was too large, and those of the parts in which it runs forward.
    pub fitting: Option<(usize, usize)>,
    pub totals: Totals,
    /// Where what the calls do is recorded.
    pub profile: Profile,
    /// The last copy of its state in host memory.
    pub snapshot: Option<Snapshot>,
}

/// What a model had come to when its state was copied to host memory.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub saved: SavedModel,
    /// Where in a fit that was, if it was in one.
    pub in_fit: Option<Resume>,
}

/// A batch whose parts have run.
pub(super) struct RunBatch {
    pub rows: usize,
    step: Step,
    rows_at_once: usize,
    /// What a prediction has made of the parts.
    outputs: Predictions,
}

/// What the steps of one epoch or evaluation add up to.
#[derive(Debug, Default)]
pub(super) struct Totals {
    /// What was read already, by shard; the rest is still on the device.
    pub read: Vec<Metrics>,
    pub on_device: bool,
}

/// What a host has recorded, of steps and evaluations.
#[derive(Debug, Default)]
pub(super) struct Recorded {
    pub trained: Added,
    pub evaluated: Added,
    /// How many steps whose encoder was dropped are no longer among the steps of the session.
    pub dropped: u64,
    /// Memory for the next steps that are recorded together.
    pub steps: Vec<RowStep>,
}

/// What was read already of what recorded steps add up to; the rest is still on the device, or in what
/// the host has not submitted yet.
#[derive(Debug, Default)]
pub(super) struct Added {
    /// Samples that the device has counted.
    pub samples: usize,
    pub metrics: Metrics,
}

impl Added {
    pub(super) fn extend(&mut self, taken: Option<Taken>) {
        if let Some(Taken { samples, metrics }) = taken {
            self.samples += samples;
            self.metrics = self.metrics.plus(&metrics);
        }
    }
}

impl Recorded {
    pub(super) fn of(&mut self, scored: Scored) -> &mut Added {
        match scored {
            Scored::Training => &mut self.trained,
            Scored::Evaluation => &mut self.evaluated,
        }
    }
}

/// What single batches have added up to since their metrics began anew.
#[derive(Debug, Default)]
pub(super) struct OnBatch {
    pub metrics: Metrics,
    pub samples: usize,
}

impl Session {
    pub(super) fn new(compiled: Compiled, backend: Backend) -> BoxFuture<'static, Result<Self>> {
        Box::pin(async move {
            let Lowered { program, initial, report } = lowered(&compiled)?;
            let program = Arc::new(program);
            compiled.schedule.iter().try_for_each(Schedule::check)?;
            let mut executor = Executor::new(backend, Arc::clone(&program), &compiled).await?;
            for (id, initial) in initial {
                executor.write(id, &initial.values(compiled.seed)).await?;
            }
            if let Optimizer::Adagrad(adagrad) = compiled.optimizer {
                let state = program.of_role(Role::OptimizerState);
                for (id, buffer) in state.filter(|(_, state)| state.name.ends_with(".accumulator"))
                {
                    let count = buffer.live_rows(0) * buffer.columns;
                    let values = vec![adagrad.initial_accumulator_value; count];
                    executor.write(id, &values).await?;
                }
            }
            Ok(Session {
                compiled,
                program,
                report: Arc::new(report),
                executor,
                last_rows: 0,
                steps: 0,
                epochs: 0,
                metadata: Metadata::new(),
                recorded: Recorded::default(),
                on_batch: OnBatch::default(),
                sharing: Sharing::default(),
                running: 0,
                on_device: false,
                fitting: None,
                totals: Totals::default(),
                profile: Profile::default(),
                snapshot: None,
            })
        })
    }

    /// Training steps made so far; those whose encoder was dropped never happened.
    pub(super) fn steps(&self) -> u64 {
        self.steps.saturating_sub(self.unsettled_steps())
    }

    /// The scalars of the next step of `pass`.
    pub(super) fn next_step(&self, pass: Pass, live_rows: usize) -> Step {
        self.step_after(0, pass, live_rows)
    }

    /// The same after so many more steps.
    pub(super) fn step_after(&self, more: u64, pass: Pass, live_rows: usize) -> Step {
        if !matches!(pass, Pass::Train | Pass::Gradients) {
            return Step::forward(live_rows);
        }
        let Compiled { optimizer, gradient_accumulation_steps: accumulated, seed, .. } =
            &self.compiled;
        let made = self.steps() + more;
        let (number, learning_rate) = (made + 1, self.learning_rate_after(made));
        let step = optimizer.accumulating_step(live_rows, number, learning_rate, *accumulated);
        step.with_noise(*seed)
    }

    /// Makes room for batches of `rows` samples and compiles `pass`. Batches that are too large to
    /// train on as a whole run in parts from now on.
    pub(super) async fn prepare(&mut self, pass: Pass, rows: usize) -> Result<()> {
        if pass == Pass::Train {
            self.cut_if_too_large(rows).await?;
        }
        let at_once = self.rows_at_once(pass, rows)?;
        self.prepare_parts(pass, rows, at_once).await
    }

    /// The same for batches that run in parts of `at_once` rows.
    pub(super) async fn prepare_parts(
        &mut self,
        pass: Pass,
        rows: usize,
        at_once: usize,
    ) -> Result<()> {
        let (at_once, last) = (at_once.min(rows), rows % at_once.max(1));
        let own = self.own_shards();
        let sharded = self.compiled.shards.is_some() && pass == Pass::Train;
        // Each shard has metrics of its own, to which its plans are bound.
        for shard in 0..if sharded { own.len() } else { 1 } {
            if sharded {
                self.executor.begin_shard(shard, own.len()).await?;
                self.executor.prepare_shards().await?;
            }
            self.executor.prepare(pass, at_once).await?;
            if last > 0 {
                self.executor.prepare(pass, last).await?;
            }
        }
        Ok(())
    }

    /// Counts a step of `pass`, once it is on its way to the device.
    pub(super) fn count_step(&mut self, pass: Pass) {
        self.steps += u64::from(pass == Pass::Train);
    }

    /// Runs `pass` on a batch that was checked. A prediction adds to `outputs`.
    pub(super) async fn run(
        &mut self,
        pass: Pass,
        batch: Batch<'_>,
        outputs: &mut Predictions,
    ) -> Result<()> {
        let (step, batch_rows) = (self.next_step(pass, batch.len()), batch.len());
        let mut first_row = 0;
        let rows_at_once = self.rows_at_once(pass, batch_rows)?;
        for indices in batch.indices.chunks(rows_at_once) {
            let mut feed = self.executor.lend(indices.len()).await?;
            let batch = Batch { indices, ..batch };
            let filling = self.profile.span("fill upload memory");
            feed.fill(&FromDataset { program: &self.program, pass, batch })?;
            drop(filling);
            let rows = indices.len();
            let last = first_row + rows >= batch_rows;
            let part = Part { feed: Some(feed), rows, first_row, batch_rows, last };
            self.run_part(pass, &step, part, rows_at_once, outputs).await?;
            first_row += rows;
        }
        self.end_shards(pass, &step, rows_at_once, false).await?;
        // Nothing is awaited between the submission and this line.
        self.count_step(pass);
        Ok(())
    }

    /// Runs `pass`, which is no prediction, on the next batch of `loader` if that needs no wait, as for
    /// most batches on the device, and returns its samples; else `None`, and nothing was done.
    ///
    /// # Errors
    /// As [`run_next`](Self::run_next).
    pub(super) fn run_at_once(&mut self, pass: Pass, loader: &mut Loader) -> Result<Option<usize>> {
        let Some((part, batch_rows)) = loader.next_resident() else {
            return Ok(None);
        };
        if part.rows < batch_rows || self.compiled.shards.is_some() {
            return Ok(None);
        }
        let step = self.next_step(pass, part.rows);
        let Some(mut feed) = self.executor.try_lend_gathering(pass, &step) else {
            return Ok(None);
        };
        loader.fill_resident(part, &mut feed)?;
        self.last_rows = part.rows;
        self.executor.run_gathered(pass, feed, &step)?;
        self.totals.on_device = true;
        self.count_step(pass);
        Ok(Some(part.rows))
    }

    /// Runs the parts of the next batch of `loader`, or its shards that are this process's own; `None` if
    /// there is none. [`end_batch`](Self::end_batch) ends it.
    pub(super) async fn run_next(
        &mut self,
        pass: Pass,
        loader: &mut Loader,
    ) -> Result<Option<RunBatch>> {
        let Some(mut part) = loader.next(&mut self.executor).await? else {
            return Ok(None);
        };
        let rows = part.batch_rows;
        let step = self.next_step(pass, rows);
        let rows_at_once = loader.rows_at_once();
        let mut outputs = Predictions::new();
        if pass == Pass::Predict {
            outputs.extend(self.program.outputs().iter().map(unfilled));
        }
        loop {
            let last = part.last;
            self.run_part(pass, &step, part, rows_at_once, &mut outputs).await?;
            if last {
                break;
            }
            let Some(next) = loader.next(&mut self.executor).await? else { break };
            part = next;
        }
        Ok(Some(RunBatch { rows, step, rows_at_once, outputs }))
    }

    /// Ends a batch whose parts have run: a training step updates the parameters, a prediction adds to
    /// `outputs`. `asks` is whether this process wants the scores after it; returns whether any process
    /// does.
    pub(super) async fn end_batch(
        &mut self,
        pass: Pass,
        batch: RunBatch,
        outputs: &mut Predictions,
        asks: bool,
    ) -> Result<bool> {
        let asked = self.end_shards(pass, &batch.step, batch.rows_at_once, asks).await?;
        if pass == Pass::Predict {
            extend(outputs, self.outputs_of_all_processes(batch.outputs)?);
        }
        // Nothing is awaited between the submission and this line.
        self.count_step(pass);
        Ok(asked)
    }

    /// Runs `pass` on a part of the batch of `step`, one of those of `rows_at_once` rows. A prediction
    /// adds to `outputs`.
    pub(super) async fn run_part(
        &mut self,
        pass: Pass,
        step: &Step,
        part: Part,
        rows_at_once: usize,
        outputs: &mut Predictions,
    ) -> Result<()> {
        let Some(feed) = part.feed else { return Ok(()) };
        let mut step = step.part(part.first_row, part.rows);
        // Before it runs: what a step that fails has left can be read.
        self.last_rows = part.rows;
        let shard = self.begin_shard(pass, &mut step, rows_at_once).await?;
        self.executor.run(pass, feed, &step, self.compiled.run_eagerly).await?;
        if let Some(shard) = shard {
            self.add_up(shard, &step, rows_at_once).await?;
        }
        if pass == Pass::Predict {
            extend(outputs, self.read_outputs(part.rows).await?);
        } else {
            self.totals.on_device = true;
        }
        Ok(())
    }

    /// The outputs for one batch that was checked.
    pub(super) async fn predict_batch(&mut self, batch: Batch<'_>) -> Result<Predictions> {
        // Room for a larger batch is made by clearing the metrics.
        self.flush_totals().await?;
        let names = self.program.outputs().iter().map(|(name, _)| name.clone());
        let mut outputs: Predictions = names.map(|name| (name, Vec::new())).collect();
        self.run(Pass::Predict, batch, &mut outputs).await?;
        Ok(outputs)
    }

    async fn read_outputs(&mut self, rows: usize) -> Result<Predictions> {
        let program = Arc::clone(&self.program);
        let mut outputs = Predictions::with_capacity(program.outputs().len());
        for (name, id) in program.outputs() {
            let values = self.executor.read(*id, rows).await?;
            outputs.push((name.clone(), values.into_iter().map(|value| value as f32).collect()));
        }
        Ok(outputs)
    }

    /// Forgets the scores of a call that was cancelled, its future dropped before its end. Every
    /// call of a model begins with this.
    pub(super) fn forget_cancelled(&mut self) -> Result<()> {
        self.stop_sharing();
        if self.running > 0 {
            self.executor.clear_metrics()?;
            self.totals = Totals::default();
            self.running = 0;
        }
        if self.on_device {
            self.free_data()?;
        }
        Ok(())
    }

    /// The rate of the next step: that of the schedule if there is one, else the optimizer's.
    pub(super) fn learning_rate(&self) -> f64 {
        self.learning_rate_after(self.steps())
    }

    /// The rate of the step that comes after so many.
    fn learning_rate_after(&self, made: u64) -> f64 {
        match &self.compiled.schedule {
            // Counted from 0, as Keras' `iterations`.
            Some(schedule) => schedule.at(made),
            None => self.compiled.optimizer.learning_rate(),
        }
    }

    pub(super) fn set_learning_rate(&mut self, learning_rate: f64) -> Result<()> {
        if self.compiled.schedule.is_some() {
            let problem = format!(
                "cannot be set to {learning_rate}: the model was compiled with a schedule, which \
                 governs it; compile without one"
            );
            return Err(Error::argument("learning_rate", problem));
        }
        let mut optimizer = self.compiled.optimizer;
        optimizer.set_learning_rate(learning_rate);
        check_optimizer(&optimizer)?;
        self.compiled.optimizer = optimizer;
        Ok(())
    }
}
