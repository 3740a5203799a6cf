//! One batch at a time, for loops of the caller's own.

use super::blocking::blocking;
use super::model::Model;
use super::predictions::Predictions;
use super::scores::Scores;
use super::session::Session;
use crate::data::Batch;
use crate::error::{Error, Result};
use crate::program::Pass;

impl Model {
    blocking! {
        /// Trains one step on `batch` and returns its scores, those before the update. They are of
        /// this batch alone; Keras 3 returns running values.
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
        train_on_batch, train_on_batch_async(&mut self, batch: Batch<'_>) -> Result<Scores> {
            self.session.score_batch(Pass::Train, batch).await
        }

        /// The scores of one batch.
        ///
        /// # Errors
        /// As [`evaluate`](Self::evaluate); an empty batch is refused.
        test_on_batch, test_on_batch_async(&mut self, batch: Batch<'_>) -> Result<Scores> {
            self.session.score_batch(Pass::Evaluate, batch).await
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

impl Session {
    async fn score_batch(&mut self, pass: Pass, batch: Batch<'_>) -> Result<Scores> {
        let data = self.arranged(batch.data, true)?;
        let batch = Batch { data: &data, ..batch };
        self.check_batch(batch, true)?;
        self.forget_cancelled()?;
        let outer = self.begin_totals().await?;
        let scores = self.run_batch(pass, batch).await;
        let ended = self.end_totals(outer);
        let scores = scores?;
        ended.map(|()| scores)
    }

    async fn run_batch(&mut self, pass: Pass, batch: Batch<'_>) -> Result<Scores> {
        self.prepare(pass, batch.len()).await?;
        self.run(pass, batch).await?;
        let metrics = self.read_totals().await?;
        match self.report.nonfinite_step(&metrics, self.steps()) {
            Some(step) if pass == Pass::Train => Err(Error::NonFinite { step, batch: None }),
            _ => Ok(self.report.scores(&metrics, batch.len())),
        }
    }
}
