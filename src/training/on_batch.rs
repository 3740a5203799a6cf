//! One batch at a time, for loops of the caller's own.

use super::blocking::blocking;
use super::model::Model;
use super::on_batch_arguments::{TestOnBatch, TrainOnBatch};
use super::predictions::Predictions;
use super::scores::Scores;
use super::send::BoxFuture;
use super::session::{OnBatch, Session};
use crate::data::{Batch, Dataset};
use crate::error::{Error, Result};
use crate::program::Pass;

impl Model {
    blocking! {
        /// Trains one step on a [`Batch`], or on one with [arguments](TrainOnBatch), and returns its
        /// scores, those before the update.
        ///
        /// It counts as a step of the model, not as an epoch, and calls no callback. Reading the
        /// scores waits for the device, which [`fit`](Self::fit) does not.
        ///
        /// ```
        /// use minibatch::data::{Batch, BatchOrder, Shuffle};
        /// # use minibatch::{Activation, Adam, Cpu, Loss, Sequential};
        /// # fn main() -> minibatch::Result<()> {
        /// # let data = minibatch::data::synthetic_digits(64, 0)?;
        /// # let mut model = Sequential::new(minibatch::model::Input::pixels(data.sample_shape()))
        /// #     .dense(data.classes(), Activation::Softmax)
        /// #     .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [])
        /// #     .build(&Cpu::new())?;
        /// let (seed, epoch) = (0, 0);
        /// let order = BatchOrder::new(data.len(), 32, Shuffle::Full, seed, epoch);
        /// for index in 0..order.len() {
        ///     let scores = model.train_on_batch(Batch { data: &data, indices: &order.batch(index) })?;
        ///     println!("step {}: loss {}", model.steps(), scores.loss);
        /// }
        /// # Ok(())
        /// # }
        /// ```
        ///
        /// # Errors
        /// [`Error::Argument`] and [`Error::Shape`] for a batch that is empty or does not fit,
        /// before anything is changed; [`Error::NonFinite`] if the loss is not a number;
        /// [`Error::Device`] if the device fails.
        train_on_batch, train_on_batch_async<'a>(&mut self, batch: impl Into<TrainOnBatch<'a>>)
            -> Result<Scores> {
            let TrainOnBatch { class_weight, test } = batch.into();
            self.session.score_batch(Pass::Train, test, class_weight).await
        }

        /// The scores of one batch: a [`Batch`], or one with [arguments](TestOnBatch).
        ///
        /// # Errors
        /// As [`evaluate`](Self::evaluate); an empty batch is refused.
        test_on_batch, test_on_batch_async<'a>(&mut self, batch: impl Into<TestOnBatch<'a>>)
            -> Result<Scores> {
            self.session.score_batch(Pass::Evaluate, batch.into(), Vec::new()).await
        }

        /// The outputs for each sample of one batch: `[samples, outputs]`, row-major. Labels are
        /// ignored.
        ///
        /// # Errors
        /// As [`predict`](Self::predict); an empty batch is refused.
        predict_on_batch, predict_on_batch_async(&mut self, batch: Batch<'_>) -> Result<Vec<f32>> {
            self.session.check_only_output()?;
            let outputs = self.predict_outputs_on_batch_async(batch).await?;
            Ok(outputs.into_iter().flat_map(|(_, values)| values).collect())
        }

        /// The outputs for each sample of one batch, of each output under its name.
        ///
        /// # Errors
        /// As [`predict`](Self::predict); an empty batch is refused.
        predict_outputs_on_batch, predict_outputs_on_batch_async(&mut self, batch: Batch<'_>)
            -> Result<Predictions> {
            let session = &mut self.session;
            let data = session.arranged(batch.data, false)?;
            let batch = Batch { data: &data, ..batch };
            session.check_batch(batch, false)?;
            session.forget_cancelled()?;
            session.predict_batch(batch).await
        }
    }
}

impl Model {
    /// Forgets what batches with `reset_metrics(false)` have added up to: the next scores are those
    /// of the next batch alone.
    pub fn reset_metrics(&mut self) {
        self.session.on_batch = OnBatch::default();
    }
}

impl Session {
    fn score_batch<'f>(
        &'f mut self,
        pass: Pass,
        arguments: TestOnBatch<'f>,
        class_weight: Vec<(u32, f32)>,
    ) -> BoxFuture<'f, Result<Scores>> {
        Box::pin(async move {
            let TestOnBatch { batch, sample_weight, reset_metrics } = arguments;
            let data = self.arranged(batch.data, true)?;
            let batch = Batch { data: &data, ..batch };
            self.check_batch(batch, true)?;
            if sample_weight.is_none() && class_weight.is_empty() {
                return self.score_checked(pass, batch, reset_metrics).await;
            }
            // The weights are of the batch's places, where a sample may stand twice.
            let weighted = weighted(batch, sample_weight, &class_weight)?;
            let places: Vec<u32> = (0..weighted.len() as u32).collect();
            let batch = Batch { data: &weighted, indices: &places };
            self.score_checked(pass, batch, reset_metrics).await
        })
    }

    async fn score_checked(
        &mut self,
        pass: Pass,
        batch: Batch<'_>,
        reset_metrics: bool,
    ) -> Result<Scores> {
        self.forget_cancelled()?;
        let outer = self.begin_totals().await?;
        let scores = self.run_batch(pass, batch).await;
        let ended = self.end_totals(outer);
        let scores = scores?;
        if reset_metrics {
            self.on_batch = OnBatch::default();
        }
        ended.map(|()| scores)
    }

    async fn run_batch(&mut self, pass: Pass, batch: Batch<'_>) -> Result<Scores> {
        self.prepare(pass, batch.len()).await?;
        self.run(pass, batch, &mut Predictions::new()).await?;
        let metrics = self.read_totals().await?;
        match self.report.nonfinite_step(&metrics, self.steps()) {
            Some(step) if pass == Pass::Train => Err(Error::NonFinite { step, batch: None }),
            _ => {
                let OnBatch { metrics: before, samples } = &self.on_batch;
                let (metrics, samples) = (before.plus(&metrics), samples + batch.len());
                let scores = self.report.scores(&metrics, samples);
                self.on_batch = OnBatch { metrics, samples };
                Ok(scores)
            }
        }
    }
}

/// The samples of the batch by themselves, weighted.
fn weighted(
    batch: Batch<'_>,
    sample_weight: Option<Vec<f32>>,
    class_weight: &[(u32, f32)],
) -> Result<Dataset> {
    let data = batch.data.select(batch.indices)?;
    let data = match sample_weight {
        Some(weights) => data.with_sample_weights(weights)?,
        None => data,
    };
    if class_weight.is_empty() { Ok(data) } else { data.with_class_weights(class_weight) }
}
