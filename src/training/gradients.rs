//! The gradients of a batch, without an update.

use std::ops::Range;

use super::blocking::blocking;
use super::feed::FromDataset;
use super::loading::Part;
use super::model::Model;
use super::predictions::Predictions;
use super::session::Session;
use crate::data::Batch;
use crate::error::{Error, Result};
use crate::model::{Weights, parameters};
use crate::program::{BufferId, Pass};

impl Model {
    blocking! {
        /// The gradient of the mean loss of `batch` by each trained parameter, under the
        /// parameter's name and shape, first layer to last. Nothing is updated, and training goes
        /// on as if this had not been called: metrics, moving statistics, gradients that
        /// accumulate and the number of steps stay as they are.
        ///
        /// These are the gradients of the loss, activity regularizers included, as the next step
        /// would compute them from this batch: dropout and noise are those of that step, batch
        /// normalization takes the statistics of the batch. The penalties of weight regularizers
        /// and clipping belong to the update, and are not in them. A batch that is larger than
        /// `micro_batch_size` runs in parts.
        ///
        /// ```
        /// use minibatch::data::Batch;
        /// # use minibatch::{Activation, Adam, Cpu, Loss, Sequential};
        /// # fn main() -> minibatch::Result<()> {
        /// # let data = minibatch::data::synthetic_digits(64, 0)?;
        /// # let mut model = Sequential::new(minibatch::model::Input::pixels(data.sample_shape()))
        /// #     .dense(data.classes(), Activation::Softmax)
        /// #     .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [])
        /// #     .build(&Cpu::new())?;
        /// let batch = Batch { data: &data, indices: &[0, 1, 2, 3] };
        /// for (name, shape, values) in model.gradients(batch)? {
        ///     let squares: f32 = values.iter().map(|value| value * value).sum();
        ///     println!("{name} {shape:?}: {}", squares.sqrt());
        /// }
        /// # assert_eq!(model.steps(), 0);
        /// # Ok(())
        /// # }
        /// ```
        ///
        /// # Errors
        /// [`Error::Argument`] and [`Error::Shape`] for a batch that is empty or does not fit,
        /// [`Error::Device`] if the device fails.
        gradients, gradients_async(&mut self, batch: Batch<'_>) -> Result<Weights> {
            self.session.forget_cancelled()?;
            self.session.gradients(batch, 0..batch.len()).await
        }
    }
}

impl Session {
    /// What the samples of `part`, places in `batch`, add to the gradients of the whole batch.
    pub(super) async fn gradients(
        &mut self,
        batch: Batch<'_>,
        part: Range<usize>,
    ) -> Result<Weights> {
        let data = self.arranged(batch.data, true)?;
        let batch = Batch { data: &data, ..batch };
        self.check_batch(batch, true)?;
        if batch.indices.get(part.clone()).is_none_or(<[u32]>::is_empty) {
            let problem = format!("is {part:?} of a batch of {} samples", batch.len());
            return Err(Error::argument("part", problem));
        }
        // The loss adds to its metric as in training.
        let outer = self.begin_totals().await?;
        let gradients = self.run_gradients(batch, part).await;
        let ended = self.end_totals(outer);
        let gradients = gradients?;
        ended.map(|()| gradients)
    }

    async fn run_gradients(&mut self, batch: Batch<'_>, part: Range<usize>) -> Result<Weights> {
        self.prepare(Pass::Gradients, part.len()).await?;
        let step = self.next_step(Pass::Gradients, batch.len());
        let trained = self.trained();
        let mut sums: Vec<Vec<f64>> = Vec::new();
        let samples = batch.indices.get(part.clone()).unwrap_or_default();
        let mut first_row = part.start;
        for indices in samples.chunks(self.rows_at_once(Pass::Gradients, part.len())?) {
            let (pass, rows) = (Pass::Gradients, indices.len());
            let mut feed = self.executor.lend(rows).await?;
            let part = Batch { indices, ..batch };
            feed.fill(&FromDataset { program: &self.program, pass, batch: part })?;
            let last = first_row + rows >= batch.len();
            let batch_rows = batch.len();
            let part = Part { feed: Some(feed), rows, first_row, batch_rows, last };
            self.run_part(pass, &step, part, batch_rows, &mut Predictions::new()).await?;
            first_row += rows;
            for (place, (id, ..)) in trained.iter().enumerate() {
                let values = self.executor.read(*id, 0).await?;
                match sums.get_mut(place) {
                    Some(sum) => sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value),
                    None => sums.push(values),
                }
            }
        }
        let rounded = |sum: Vec<f64>| sum.into_iter().map(|value| value as f32).collect();
        let named = trained.into_iter().zip(sums);
        Ok(named.map(|((_, name, shape), sum)| (name, shape, rounded(sum))).collect())
    }

    /// Of each trained parameter the buffer of its gradient, its name and its shape.
    fn trained(&self) -> Vec<(BufferId, String, Vec<usize>)> {
        let gradient = |(name, shape): (String, Vec<usize>)| {
            let gradient = self.program.find(&format!("{name}.gradient"))?;
            Some((gradient, name, shape))
        };
        parameters(&self.program).into_iter().filter_map(gradient).collect()
    }
}
