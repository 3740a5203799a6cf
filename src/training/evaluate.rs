//! The loop of evaluation.

use super::arguments::{Evaluate, check_batch_size, steps};
use super::callback::{Callback, StepEnd};
use super::model::Model;
use super::scores::Scores;
use crate::data::{Batch, BatchOrder, Dataset, Shuffle};
use crate::error::Result;
#[cfg(not(target_arch = "wasm32"))]
use crate::gpu::block_on;
use crate::program::{Pass, Step};

impl Model {
    /// Mean loss and metrics over `data`, in its order.
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) and [`Error::Shape`](crate::Error::Shape) if the
    /// data does not fit or the batch size is 0, [`Error::Device`](crate::Error::Device) if the
    /// device fails.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn evaluate(&mut self, data: &Dataset, arguments: Evaluate<'_>) -> Result<Scores> {
        block_on(self.evaluate_async(data, arguments))
    }

    /// [`evaluate`](Self::evaluate) for where nothing may block.
    ///
    /// # Errors
    /// As `evaluate`.
    pub async fn evaluate_async(
        &mut self,
        data: &Dataset,
        arguments: Evaluate<'_>,
    ) -> Result<Scores> {
        let Evaluate { batch_size, sample_weight, steps: asked, mut callbacks, verbose } =
            arguments;
        let mut progress = None;
        let mut callbacks = verbose.add_to(&mut callbacks, &mut progress);
        let data = self.arranged(data, true)?;
        self.check_data(&data)?;
        check_batch_size("batch_size", batch_size)?;
        let steps = steps("steps", asked, data.len(), batch_size)?;
        let data = match sample_weight {
            Some(weights) => data.with_sample_weights(weights)?,
            None => data,
        };
        self.measure(&data, batch_size, steps, &mut callbacks).await
    }

    /// Evaluates on the first `steps` batches of `data`, which was checked.
    pub(super) async fn measure(
        &mut self,
        data: &Dataset,
        batch_size: usize,
        steps: usize,
        callbacks: &mut [&mut dyn Callback],
    ) -> Result<Scores> {
        for callback in callbacks.iter_mut() {
            callback.test_begin(self, steps)?;
        }
        let outer = self.begin_totals().await?;
        let scores = self.measure_steps(data, batch_size, steps, callbacks).await;
        let ended = self.end_totals(outer);
        let scores = scores?;
        ended?;
        for callback in callbacks {
            callback.test_end(self, &scores)?;
        }
        Ok(scores)
    }

    async fn measure_steps(
        &mut self,
        data: &Dataset,
        batch_size: usize,
        steps: usize,
        callbacks: &mut [&mut dyn Callback],
    ) -> Result<Scores> {
        let order = BatchOrder::new(data.len(), batch_size, Shuffle::Off, 0, 0);
        let mut samples = 0;
        let together = self.compiled.steps_per_execution;
        for index in 0..steps {
            let begins = index.is_multiple_of(together);
            for callback in callbacks.iter_mut().filter(|_| begins) {
                callback.test_batch_begin(self, index + 1)?;
            }
            let batch = Batch { data, indices: order.batch(index) };
            self.run(Pass::Evaluate, batch, &Step::forward(batch.len())).await?;
            self.totals.on_device = true;
            samples += batch.len();
            if !(index + 1).is_multiple_of(together) && index + 1 < steps {
                continue;
            }
            let step = StepEnd { step: index + 1, samples };
            let mut scores = None;
            for callback in callbacks.iter_mut() {
                if callback.wants_test_scores(step) {
                    let scores = match &scores {
                        Some(scores) => scores,
                        None => {
                            let metrics = self.read_totals().await?;
                            scores.insert(self.report.scores(&metrics, samples))
                        }
                    };
                    callback.test_scores(step, scores);
                }
                callback.test_batch_end(self, step)?;
            }
        }
        let metrics = self.read_totals().await?;
        Ok(self.report.scores(&metrics, samples))
    }
}
