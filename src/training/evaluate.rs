//! Evaluation.

use super::arguments::{Evaluate, check_batch_size, steps};
use super::batches::{Batches, Purpose};
use super::blocking::blocking;
use super::callback::Callback;
use super::model::Model;
use super::run::{Run, with_progress};
use super::scores::Scores;
use super::session::Session;
use crate::data::{BatchOrder, Dataset, Shuffle};
use crate::error::Result;

impl Model {
    blocking! {
        /// Mean loss and metrics over `data`, in its order.
        ///
        /// # Errors
        /// [`Error::Argument`](crate::Error::Argument) and [`Error::Shape`](crate::Error::Shape) if
        /// the data does not fit or the batch size is 0, [`Error::Device`](crate::Error::Device) if
        /// the device fails.
        evaluate, evaluate_async(&mut self, data: &Dataset, arguments: Evaluate<'_>)
            -> Result<Scores> {
            self.session.forget_cancelled()?;
            self.session.evaluate(data, arguments).await
        }
    }
}

impl Session {
    pub(super) async fn evaluate(
        &mut self,
        data: &Dataset,
        arguments: Evaluate<'_>,
    ) -> Result<Scores> {
        let Evaluate { batch_size, sample_weight, steps: asked, mut callbacks, verbose } =
            arguments;
        let mut progress = None;
        let mut callbacks = with_progress(&mut callbacks, verbose, &mut progress);
        let data = self.arranged(data, true)?;
        self.check_data(&data)?;
        check_batch_size("batch_size", batch_size)?;
        let steps = steps("steps", asked, data.len(), batch_size)?;
        let data = match sample_weight {
            Some(weights) => data.with_sample_weights(weights)?,
            None => data,
        };
        Run::new(self).evaluate(&data, batch_size, steps, &mut callbacks).await
    }
}

impl Run<'_> {
    /// Evaluates on the first `steps` batches of `data`, which was checked.
    pub(super) async fn evaluate(
        &mut self,
        data: &Dataset,
        batch_size: usize,
        steps: usize,
        callbacks: &mut [&mut dyn Callback],
    ) -> Result<Scores> {
        self.each(callbacks, |callback, run| callback.test_begin(run, steps)).await?;
        let outer = self.session.begin_totals().await?;
        let scores = self.evaluate_batches(data, batch_size, steps, callbacks).await;
        let ended = self.session.end_totals(outer);
        let scores = scores?;
        ended?;
        self.each(callbacks, |callback, run| callback.test_end(run, &scores)).await?;
        Ok(scores)
    }

    async fn evaluate_batches(
        &mut self,
        data: &Dataset,
        batch_size: usize,
        steps: usize,
        callbacks: &mut [&mut dyn Callback],
    ) -> Result<Scores> {
        let order = &BatchOrder::new(data.len(), batch_size, Shuffle::Off, 0, 0);
        let batches = Batches { purpose: Purpose::Evaluate, data, order, steps: 0..steps };
        let ran = self.batches(&batches, callbacks).await?;
        self.scores(Purpose::Evaluate, ran.samples).await
    }
}
