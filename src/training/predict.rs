//! The loop of prediction.

use std::sync::Arc;

use super::arguments::{Predict, check_batch_size, steps};
use super::callback::StepEnd;
use super::model::Model;
use crate::data::{Batch, BatchOrder, Dataset, Shuffle};
use crate::error::{Error, Result};
#[cfg(not(target_arch = "wasm32"))]
use crate::gpu::block_on;
use crate::program::{Pass, Step};

/// Name and values `[samples, width]`, row-major, of each output.
pub type Predictions = Vec<(String, Vec<f32>)>;

impl Model {
    /// The outputs for each sample of `data`: `[samples, outputs]`, row-major. Targets are ignored.
    ///
    /// # Errors
    /// As [`evaluate`](Self::evaluate); [`Error::Argument`] if the model has several outputs, for
    /// which there is [`predict_outputs`](Self::predict_outputs).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn predict(&mut self, data: &Dataset, arguments: Predict<'_>) -> Result<Vec<f32>> {
        block_on(self.predict_async(data, arguments))
    }

    /// [`predict`](Self::predict) for where nothing may block.
    ///
    /// # Errors
    /// As `predict`.
    pub async fn predict_async(
        &mut self,
        data: &Dataset,
        arguments: Predict<'_>,
    ) -> Result<Vec<f32>> {
        self.only_output()?;
        let outputs = self.predict_outputs_async(data, arguments).await?;
        Ok(outputs.into_iter().flat_map(|(_, values)| values).collect())
    }

    /// The outputs for each sample of `data`, of each output under its name.
    ///
    /// # Errors
    /// As [`evaluate`](Self::evaluate).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn predict_outputs(
        &mut self,
        data: &Dataset,
        arguments: Predict<'_>,
    ) -> Result<Predictions> {
        block_on(self.predict_outputs_async(data, arguments))
    }

    /// [`predict_outputs`](Self::predict_outputs) for where nothing may block.
    ///
    /// # Errors
    /// As `predict_outputs`.
    pub async fn predict_outputs_async(
        &mut self,
        data: &Dataset,
        arguments: Predict<'_>,
    ) -> Result<Predictions> {
        let Predict { batch_size, steps: asked, mut callbacks, verbose } = arguments;
        let mut progress = None;
        let mut callbacks = verbose.add_to(&mut callbacks, &mut progress);
        let data = &self.arranged(data, false)?;
        self.check_samples(data)?;
        check_batch_size("batch_size", batch_size)?;
        let steps = steps("steps", asked, data.len(), batch_size)?;
        for callback in &mut callbacks {
            callback.predict_begin(self, steps)?;
        }
        let order = BatchOrder::new(data.len(), batch_size, Shuffle::Off, 0, 0);
        let mut outputs: Predictions =
            self.program.outputs().iter().map(|(name, _)| (name.clone(), Vec::new())).collect();
        let nothing = outputs.clone();
        let mut group = nothing.clone();
        let mut samples = 0;
        let together = self.compiled.steps_per_execution;
        for index in 0..steps {
            let begins = index.is_multiple_of(together);
            for callback in callbacks.iter_mut().filter(|_| begins) {
                callback.predict_batch_begin(self, index + 1)?;
            }
            let batch = Batch { data, indices: order.batch(index) };
            extend(&mut group, self.forward(batch).await?);
            samples += batch.len();
            if !(index + 1).is_multiple_of(together) && index + 1 < steps {
                continue;
            }
            for callback in &mut callbacks {
                let step = StepEnd { step: index + 1, samples };
                callback.predict_batch_end(self, step, &group)?;
            }
            extend(&mut outputs, std::mem::replace(&mut group, nothing.clone()));
        }
        for callback in &mut callbacks {
            callback.predict_end(self)?;
        }
        Ok(outputs)
    }

    pub(super) fn only_output(&self) -> Result<()> {
        match self.program.outputs() {
            [_] => Ok(()),
            outputs => {
                let names: Vec<&str> = outputs.iter().map(|(name, _)| name.as_str()).collect();
                let names = names.join(", ");
                let problem = format!("the model has several ({names}); call predict_outputs");
                Err(Error::argument("outputs", problem))
            }
        }
    }

    /// The outputs of one batch, which was checked.
    pub(super) async fn forward(&mut self, batch: Batch<'_>) -> Result<Predictions> {
        // Room for a larger batch is made by clearing the metrics.
        self.keep_totals().await?;
        self.run(Pass::Predict, batch, &Step::forward(batch.len())).await?;
        let program = Arc::clone(&self.program);
        let mut outputs = Predictions::with_capacity(program.outputs().len());
        for (name, id) in program.outputs() {
            let values = self.executor.read(*id, batch.len()).await?;
            outputs.push((name.clone(), values.into_iter().map(|value| value as f32).collect()));
        }
        Ok(outputs)
    }
}

/// Adds the values of further samples.
fn extend(outputs: &mut Predictions, parts: Predictions) {
    for ((_, all), (_, part)) in outputs.iter_mut().zip(parts) {
        all.extend(part);
    }
}
