//! Prediction.

use std::sync::Arc;

use super::arguments::Predict;
use super::batch_source::{Asked, BatchSource, EpochBatches};
use super::batches::Purpose;
use super::blocking::blocking;
use super::model::Model;
use super::predictions::Predictions;
use super::run::{Run, with_progress};
use super::send::BoxFuture;
use super::session::Session;
use crate::data::{Shuffle, Source, Visit};
use crate::distributed::Transport;
use crate::error::Result;
use crate::program::Pass;

impl Model {
    blocking! {
        /// The outputs for each sample of `data`: `[samples, outputs]`, row-major. Targets are
        /// ignored.
        ///
        /// # Errors
        /// As [`evaluate`](Self::evaluate); [`Error::Argument`](crate::Error::Argument) if the
        /// model has several outputs, for which there is
        /// [`predict_outputs`](Self::predict_outputs).
        predict, predict_async(&mut self, data: impl Into<Source>, arguments: Predict<'_>)
            -> Result<Vec<f32>> {
            self.session.check_only_output()?;
            let outputs = self.predict_outputs_async(data, arguments).await?;
            Ok(outputs.into_iter().flat_map(|(_, values)| values).collect())
        }

        /// The outputs for each sample of `data`, of each output under its name.
        ///
        /// # Errors
        /// As [`evaluate`](Self::evaluate).
        predict_outputs, predict_outputs_async(&mut self, data: impl Into<Source>, arguments: Predict<'_>)
            -> Result<Predictions> {
            self.session.forget_cancelled()?;
            self.session.predict(data.into(), arguments).await
        }
    }
}

impl Session {
    pub(super) fn predict<'f, 'a: 'f>(
        &'f mut self,
        data: Source,
        mut arguments: Predict<'a>,
    ) -> BoxFuture<'f, Result<Predictions>> {
        Box::pin(async move {
            let transport = arguments.distribute.take();
            let outputs = self.predict_in_group(data, arguments, transport.as_ref()).await;
            self.leave(transport.as_ref(), outputs)
        })
    }

    async fn predict_in_group(
        &mut self,
        data: Source,
        arguments: Predict<'_>,
        transport: Option<&Arc<dyn Transport>>,
    ) -> Result<Predictions> {
        let description = arguments.description();
        let source = data.clone();
        let Predict { mut callbacks, verbose, .. } = arguments;
        let mut progress = None;
        let mut callbacks = with_progress(&mut callbacks, verbose, &mut progress);
        let asked = Asked {
            batch_size: ("batch_size", arguments.batch_size),
            default_batch_size: None,
            steps: ("steps", arguments.steps),
            workers: arguments.workers,
            max_queue_size: arguments.max_queue_size,
        };
        let data = BatchSource::new(&data, self.reading(&data, false)?, &asked)?;
        if let Some(transport) = transport {
            self.join_forward(transport, description, &source).await?;
        }
        let mut run = Run::new(self);
        run.each(&mut callbacks, |callback, run| callback.predict_begin(run, data.steps)).await?;
        let visit = Visit::new(run.session.compiled.seed, 0);
        let batches = EpochBatches { in_call: 0, counted: 0, first_step: 0, shuffle: Shuffle::Off };
        let mut loader = data.loader(run.session, Pass::Predict, &visit, &batches).await?;
        let purpose = Purpose::Predict;
        let ran = run.batches(purpose, &mut loader, 0, data.steps, &mut callbacks).await?;
        data.check_end("prediction", ran.steps, ran.samples)?;
        run.each(&mut callbacks, |callback, run| callback.predict_end(run)).await?;
        Ok(ran.outputs)
    }
}
