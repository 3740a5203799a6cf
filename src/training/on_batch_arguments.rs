//! The optional arguments of a single step.

use super::settings::settings;
use crate::data::Batch;

/// Arguments of [`Model::train_on_batch`](super::Model::train_on_batch). A [`Batch`] alone has them
/// by default.
#[derive(Debug, Clone)]
pub struct TrainOnBatch<'a> {
    pub(super) class_weight: Vec<(u32, f32)>,
    pub(super) test: TestOnBatch<'a>,
}

impl<'a> TrainOnBatch<'a> {
    /// A step on these samples.
    #[must_use]
    pub fn new(batch: Batch<'a>) -> Self {
        TrainOnBatch { class_weight: Vec::new(), test: TestOnBatch::new(batch) }
    }

    settings! {
        /// A weight for each sample of the batch, in its order: its loss and its gradient are
        /// multiplied by it. These weights replace those of
        /// [`Dataset::with_sample_weights`](crate::Dataset::with_sample_weights).
        sample_weight(weights: impl Into<Vec<f32>>): test.sample_weight = Some(weights.into());

        /// A weight for the samples of each class, `(class, weight)`; 1 for classes that are not
        /// named. Not together with sample weights.
        class_weight(weights: impl Into<Vec<(u32, f32)>>): class_weight = weights.into();

        /// Whether metrics begin anew after this batch: true by default, so that scores are those
        /// of a batch alone. After false, the next scores are those of both batches together, and
        /// so on, whether they are trained or tested.
        reset_metrics(reset: bool): test.reset_metrics = reset;
    }
}

impl<'a> From<Batch<'a>> for TrainOnBatch<'a> {
    fn from(batch: Batch<'a>) -> Self {
        TrainOnBatch::new(batch)
    }
}

/// Arguments of [`Model::test_on_batch`](super::Model::test_on_batch). A [`Batch`] alone has them by
/// default.
#[derive(Debug, Clone)]
pub struct TestOnBatch<'a> {
    pub(super) batch: Batch<'a>,
    pub(super) sample_weight: Option<Vec<f32>>,
    pub(super) reset_metrics: bool,
}

impl<'a> TestOnBatch<'a> {
    /// The scores of these samples.
    #[must_use]
    pub fn new(batch: Batch<'a>) -> Self {
        TestOnBatch { batch, sample_weight: None, reset_metrics: true }
    }

    settings! {
        /// A weight for each sample of the batch, as in
        /// [`TrainOnBatch::sample_weight`].
        sample_weight(weights: impl Into<Vec<f32>>): sample_weight = Some(weights.into());

        /// Whether metrics begin anew after this batch, as in [`TrainOnBatch::reset_metrics`].
        reset_metrics(reset: bool): reset_metrics = reset;
    }
}

impl<'a> From<Batch<'a>> for TestOnBatch<'a> {
    fn from(batch: Batch<'a>) -> Self {
        TestOnBatch::new(batch)
    }
}
