//! The loop over batches, the same for fit, evaluate and predict.

use super::callback::{Callback, Resume, StepEnd};
use super::loading::Loader;
use super::predictions::{Predictions, extend, unfilled};
use super::run::Run;
use super::scores::Scores;
use super::yield_now::yield_now;
use crate::error::{Error, Result};
use crate::program::Pass;

/// What the batches are run for: it says which pass runs, and which hooks are called.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    /// Training in this epoch; `steps_before` is how many steps the model had made before it.
    Train {
        epoch: u32,
        steps_before: u64,
    },
    Evaluate,
    Predict,
}

impl Purpose {
    pub(super) fn pass(self) -> Pass {
        match self {
            Purpose::Train { .. } => Pass::Train,
            Purpose::Evaluate => Pass::Evaluate,
            Purpose::Predict => Pass::Predict,
        }
    }
}

/// What batches have led to.
pub(super) struct Ran {
    pub samples: usize,
    pub steps: usize,
    /// The rate of the last step.
    pub learning_rate: f64,
    /// Of all samples; empty unless it was a prediction.
    pub outputs: Predictions,
}

impl Run<'_> {
    /// Runs the batches of `loader` one after the other, until they end or a callback stops
    /// training. The first of them has the number `first_step`, from 0; `steps` is how many an
    /// epoch has, if that is known. Hooks are called for groups of `steps_per_execution` steps.
    ///
    /// Other tasks can run before each step. If the future is dropped, the model has counted
    /// exactly the steps that were submitted.
    pub(super) async fn batches(
        &mut self,
        purpose: Purpose,
        loader: &mut Loader,
        first_step: usize,
        steps: Option<usize>,
        callbacks: &mut [&mut dyn Callback],
    ) -> Result<Ran> {
        let group_size = self.session.compiled.steps_per_execution;
        let no_outputs: Predictions = match purpose {
            Purpose::Train { .. } | Purpose::Evaluate => Predictions::new(),
            Purpose::Predict => self.session.program.outputs().iter().map(unfilled).collect(),
        };
        let mut group_outputs = no_outputs.clone();
        let learning_rate = self.session.learning_rate();
        let mut ran = Ran { samples: 0, steps: 0, learning_rate, outputs: no_outputs.clone() };
        let mut index = first_step;
        let mut grouped = 0;
        while steps.is_none_or(|steps| index < steps) {
            let step_span = self.session.profile.span("step").with("step", index as u64 + 1);
            if grouped == 0 {
                // A hook is called for a batch that exists: it is loaded before.
                let next = match loader.knows_next() {
                    Some(known) => Ok(known),
                    None => loader.has_next(&mut self.session.executor).await,
                };
                match next {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) => return Err(self.failed(error, purpose, callbacks).await),
                }
                let step = index + 1;
                self.each(callbacks, |callback, run| match purpose {
                    Purpose::Train { .. } => callback.batch_begin(run, step),
                    Purpose::Evaluate => callback.test_batch_begin(run, step),
                    Purpose::Predict => callback.predict_batch_begin(run, step),
                })
                .await?;
            }
            yield_now().await;
            ran.learning_rate = self.session.learning_rate();
            if purpose.pass() == Pass::Predict {
                // Room for a larger batch is made by clearing the metrics.
                self.session.flush_totals().await?;
            }
            let pass = purpose.pass();
            let at_once = self.session.run_at_once(pass, loader);
            let mut asked = None;
            let ran_now = match at_once {
                Ok(None) => match self.session.run_next(pass, loader).await {
                    Ok(Some(batch)) => {
                        let rows = batch.rows;
                        let ends_group =
                            steps == Some(index + 1) || (index + 1).is_multiple_of(group_size);
                        if self.session.process().count > 1 {
                            let samples = ran.samples + rows;
                            let step = StepEnd { step: index + 1, samples };
                            asked = Some(Asked::before(purpose, step, ends_group, callbacks));
                        }
                        let asks = asked.as_ref().is_some_and(|asked| asked.any);
                        let ended =
                            self.session.end_batch(pass, batch, &mut group_outputs, asks).await;
                        if let (Some(asked), Ok(any)) = (&mut asked, &ended) {
                            asked.any = *any;
                        }
                        ended.map(|_| Some(rows))
                    }
                    Ok(None) => Ok(None),
                    Err(error) => Err(error),
                },
                rows => rows,
            };
            let rows = match ran_now {
                // Within a group, callbacks do not know how many steps were made.
                Err(error) if grouped == 0 => {
                    return Err(self.failed(error, purpose, callbacks).await);
                }
                rows => rows?,
            };
            drop(step_span);
            if let Some(rows) = rows {
                (ran.samples, ran.steps) = (ran.samples + rows, ran.steps + 1);
                (index, grouped) = (index + 1, grouped + 1);
                if pass == Pass::Train {
                    self.count_for_snapshot();
                }
                if steps != Some(index) && !index.is_multiple_of(group_size) {
                    continue;
                }
            }
            if grouped > 0 {
                let step = StepEnd { step: index, samples: ran.samples };
                self.end_group(purpose, step, &group_outputs, asked, callbacks).await?;
                grouped = 0;
                let outputs = std::mem::replace(&mut group_outputs, no_outputs.clone());
                extend(&mut ran.outputs, outputs);
                // At an epoch's end it is taken when the epoch is done.
                if let Purpose::Train { epoch, .. } = purpose
                    && steps != Some(index)
                {
                    self.snapshot_if_due(Resume::new(epoch.saturating_sub(1), index)).await?;
                }
            }
            if rows.is_none() || self.stopped && purpose.pass() == Pass::Train {
                break;
            }
        }
        Ok(ran)
    }

    /// Tells callbacks of training if the data could not be read. Gives the error back.
    pub(super) async fn failed(
        &mut self,
        error: Error,
        purpose: Purpose,
        callbacks: &mut [&mut dyn Callback],
    ) -> Error {
        let of_data = matches!(error, Error::Data { .. } | Error::Idx { .. } | Error::Io { .. });
        if of_data && matches!(purpose, Purpose::Train { .. }) {
            // What fails besides must not hide the reason.
            let _ = self.each(callbacks, |callback, run| callback.data_failed(run, &error)).await;
        }
        error
    }

    /// Calls the hooks after a group of steps. Scores are read once, for the first callback that
    /// wants them; those of several processes if a callback of any of them does, as `asked` says.
    async fn end_group(
        &mut self,
        purpose: Purpose,
        step: StepEnd,
        outputs: &Predictions,
        asked: Option<Asked>,
        callbacks: &mut [&mut dyn Callback],
    ) -> Result<()> {
        let several = self.session.process().count > 1;
        if callbacks.is_empty() && !several {
            return Ok(());
        }
        let _span = self.session.profile.span("callbacks");
        let mut scores = None;
        if asked.as_ref().is_some_and(|asked| asked.any) {
            scores = Some(self.scores(purpose, step.samples).await?);
        }
        for (place, callback) in callbacks.iter_mut().enumerate() {
            let wanted = match &asked {
                Some(asked) => asked.any && asked.wanted.get(place).copied().unwrap_or_default(),
                None => !several && wants(&mut **callback, purpose, step),
            };
            if wanted {
                let scores = match &scores {
                    Some(scores) => scores,
                    None => scores.insert(self.scores(purpose, step.samples).await?),
                };
                match purpose {
                    Purpose::Train { .. } => callback.scores(step, scores),
                    Purpose::Evaluate | Purpose::Predict => callback.test_scores(step, scores),
                }
            }
            match purpose {
                Purpose::Train { .. } => callback.batch_end(self, step)?,
                Purpose::Evaluate => callback.test_batch_end(self, step)?,
                Purpose::Predict => callback.predict_batch_end(self, step, outputs)?,
            }
            self.answer(&mut **callback).await?;
        }
        Ok(())
    }

    /// The scores of the `samples` samples so far. In training, a loss that is not finite is an
    /// error that names the step.
    pub(super) async fn scores(&mut self, purpose: Purpose, samples: usize) -> Result<Scores> {
        let metrics = self.session.read_totals().await?;
        let report = &self.session.report;
        if let Purpose::Train { epoch, steps_before } = purpose
            && let Some(step) = report.nonfinite_step(&metrics, self.session.steps())
        {
            let batch = Some((epoch, step.saturating_sub(steps_before)));
            return Err(Error::NonFinite { step, batch });
        }
        Ok(report.scores(&metrics, samples))
    }
}

/// Which callbacks want the scores after a step of several processes.
struct Asked {
    wanted: Vec<bool>,
    /// Whether one does, of this process or of any.
    any: bool,
}

impl Asked {
    /// Asks the callbacks before the step ends, so that the processes can tell each other. In an
    /// evaluation they tell each other nothing before its end.
    fn before(
        purpose: Purpose,
        step: StepEnd,
        ends_group: bool,
        callbacks: &mut [&mut dyn Callback],
    ) -> Self {
        let asks = ends_group && matches!(purpose, Purpose::Train { .. });
        let each = callbacks.iter_mut();
        let wanted: Vec<bool> =
            each.map(|callback| asks && wants(&mut **callback, purpose, step)).collect();
        let any = wanted.contains(&true);
        Asked { wanted, any }
    }
}

fn wants(callback: &mut dyn Callback, purpose: Purpose, step: StepEnd) -> bool {
    match purpose {
        Purpose::Train { .. } => callback.wants_scores(step),
        Purpose::Evaluate => callback.wants_test_scores(step),
        Purpose::Predict => false,
    }
}
