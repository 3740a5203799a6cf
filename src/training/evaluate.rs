//! Evaluation.

use std::sync::Arc;

use super::arguments::Evaluate;
use super::batch_source::{Asked, BatchSource, EpochBatches};
use super::batches::Purpose;
use super::blocking::blocking;
use super::callback::Callback;
use super::loading::Reading;
use super::model::Model;
use super::run::{Run, with_progress};
use super::scores::Scores;
use super::send::BoxFuture;
use super::session::Session;
use crate::data::{Shuffle, Source, Visit};
use crate::distributed::Transport;
use crate::error::{Error, Result};
use crate::program::Pass;

impl Model {
    blocking! {
        /// Mean loss and metrics over `data`, in its order.
        ///
        /// # Errors
        /// [`Error::Argument`] and [`Error::Shape`] if the data does not fit or the batch size is 0,
        /// [`Error::Data`] and [`Error::Io`] if the source fails, [`Error::Device`] if the device
        /// fails.
        evaluate, evaluate_async(&mut self, data: impl Into<Source>, arguments: Evaluate<'_>)
            -> Result<Scores> {
            self.session.forget_cancelled()?;
            self.session.evaluate(data.into(), arguments).await
        }
    }
}

impl Session {
    pub(super) fn evaluate<'f, 'a: 'f>(
        &'f mut self,
        data: Source,
        mut arguments: Evaluate<'a>,
    ) -> BoxFuture<'f, Result<Scores>> {
        Box::pin(async move {
            let transport = arguments.distribute.take();
            let scores = self.evaluate_in_group(data, arguments, transport.as_ref()).await;
            self.leave(transport.as_ref(), scores)
        })
    }

    async fn evaluate_in_group(
        &mut self,
        data: Source,
        arguments: Evaluate<'_>,
        transport: Option<&Arc<dyn Transport>>,
    ) -> Result<Scores> {
        let description = arguments.description();
        let source = data.clone();
        let Evaluate { sample_weight, mut callbacks, verbose, .. } = arguments;
        let mut progress = None;
        let mut callbacks = with_progress(&mut callbacks, verbose, &mut progress);
        let reading = self.reading(&data, true)?;
        let reading = match (reading, sample_weight) {
            (reading, None) => reading,
            (Reading::Dataset(data), Some(weights)) => {
                Reading::Dataset(data.with_sample_weights(weights)?)
            }
            (Reading::RandomAccess(..) | Reading::Stream(..), Some(_)) => {
                let problem = "is given with a source that is no Dataset; let the source have \
                               weights (Source::weights)";
                return Err(Error::argument("sample_weight", problem));
            }
        };
        let asked = Asked {
            batch_size: ("batch_size", arguments.batch_size),
            default_batch_size: None,
            steps: ("steps", arguments.steps),
            workers: arguments.workers,
            max_queue_size: arguments.max_queue_size,
        };
        let data = BatchSource::new(&data, reading, &asked)?;
        if let Some(transport) = transport {
            self.join_forward(transport, description, &source).await?;
        }
        Run::new(self).evaluate(&data, &mut callbacks).await
    }
}

impl Run<'_> {
    /// Evaluates on `data`, which was checked.
    pub(super) async fn evaluate(
        &mut self,
        data: &BatchSource,
        callbacks: &mut [&mut dyn Callback],
    ) -> Result<Scores> {
        self.each(callbacks, |callback, run| callback.test_begin(run, data.steps)).await?;
        let outer = self.session.begin_totals().await?;
        let scores = self.evaluate_batches(data, callbacks).await;
        let ended = self.session.end_totals(outer);
        let scores = scores?;
        ended?;
        self.each(callbacks, |callback, run| callback.test_end(run, &scores)).await?;
        Ok(scores)
    }

    async fn evaluate_batches(
        &mut self,
        data: &BatchSource,
        callbacks: &mut [&mut dyn Callback],
    ) -> Result<Scores> {
        let visit = Visit::new(self.session.compiled.seed, 0);
        let batches = EpochBatches { in_call: 0, counted: 0, first_step: 0, shuffle: Shuffle::Off };
        let mut loader = data.loader(self.session, Pass::Evaluate, &visit, &batches).await?;
        let ran = self.batches(Purpose::Evaluate, &mut loader, 0, data.steps, callbacks).await?;
        data.check_end("evaluation", ran.steps, ran.samples)?;
        self.scores(Purpose::Evaluate, ran.samples).await
    }
}
