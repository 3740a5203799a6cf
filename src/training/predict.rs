//! Prediction.

use super::arguments::{Predict, check_batch_size, steps};
use super::batches::{Batches, Purpose};
use super::blocking::blocking;
use super::model::Model;
use super::predictions::Predictions;
use super::run::{Run, with_progress};
use super::session::Session;
use crate::data::{BatchOrder, Dataset, Shuffle};
use crate::error::Result;

impl Model {
    blocking! {
        /// The outputs for each sample of `data`: `[samples, outputs]`, row-major. Targets are
        /// ignored.
        ///
        /// # Errors
        /// As [`evaluate`](Self::evaluate); [`Error::Argument`](crate::Error::Argument) if the
        /// model has several outputs, for which there is
        /// [`predict_outputs`](Self::predict_outputs).
        predict, predict_async(&mut self, data: &Dataset, arguments: Predict<'_>)
            -> Result<Vec<f32>> {
            self.session.check_only_output()?;
            let outputs = self.predict_outputs_async(data, arguments).await?;
            Ok(outputs.into_iter().flat_map(|(_, values)| values).collect())
        }

        /// The outputs for each sample of `data`, of each output under its name.
        ///
        /// # Errors
        /// As [`evaluate`](Self::evaluate).
        predict_outputs, predict_outputs_async(&mut self, data: &Dataset, arguments: Predict<'_>)
            -> Result<Predictions> {
            self.session.forget_cancelled()?;
            self.session.predict(data, arguments).await
        }
    }
}

impl Session {
    pub(super) async fn predict(
        &mut self,
        data: &Dataset,
        arguments: Predict<'_>,
    ) -> Result<Predictions> {
        let Predict { batch_size, steps: asked, mut callbacks, verbose } = arguments;
        let mut progress = None;
        let mut callbacks = with_progress(&mut callbacks, verbose, &mut progress);
        let data = &self.arranged(data, false)?;
        self.check_samples(data)?;
        check_batch_size("batch_size", batch_size)?;
        let steps = steps("steps", asked, data.len(), batch_size)?;
        let mut run = Run::new(self);
        run.each(&mut callbacks, |callback, run| callback.predict_begin(run, steps)).await?;
        let order = &BatchOrder::new(data.len(), batch_size, Shuffle::Off, 0, 0);
        let batches = Batches { purpose: Purpose::Predict, data, order, steps: 0..steps };
        let ran = run.batches(&batches, &mut callbacks).await?;
        run.each(&mut callbacks, |callback, run| callback.predict_end(run)).await?;
        Ok(ran.outputs)
    }
}
