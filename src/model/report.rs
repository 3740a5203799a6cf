//! Which buffers hold what is reported of a model.

use super::metric::Metric;
use crate::program::BufferId;

/// What is reported of a model: the sum of its losses, and what follows.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Report {
    /// Those with a loss, in the order of the outputs.
    pub outputs: Vec<OutputReport>,
    /// What regularizers cost, times the samples.
    pub penalties: Vec<BufferId>,
}

/// What is reported of one output.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OutputReport {
    /// The output's.
    pub name: String,
    /// How much its loss counts.
    pub loss_weight: f64,
    /// The sum of its samples' losses.
    pub loss: BufferId,
    /// Right predictions.
    pub counts: BufferId,
    /// Name, kind and sums of what is reported beside the loss.
    pub metrics: Vec<ReportedMetric>,
}

/// A metric with its name in scores and the buffer of its sums.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ReportedMetric {
    pub name: String,
    pub metric: Metric,
    pub sums: Sums,
}

/// Where the sums of a metric are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Sums {
    /// With the loss, which counts right predictions anyway: so many answers a sample.
    WithLoss { counts: BufferId, answers: usize },
    /// In a buffer of its own.
    Own(BufferId),
    /// In a histogram of two buckets over the predictions of one output, for the matrix of its two
    /// classes.
    TwoClasses(BufferId),
}

impl Report {
    /// The same with each buffer where `place` says.
    pub(crate) fn moved(mut self, place: impl Fn(BufferId) -> BufferId) -> Self {
        for output in &mut self.outputs {
            (output.loss, output.counts) = (place(output.loss), place(output.counts));
            for metric in &mut output.metrics {
                metric.sums = match metric.sums {
                    Sums::WithLoss { counts, answers } => {
                        Sums::WithLoss { counts: place(counts), answers }
                    }
                    Sums::Own(sums) => Sums::Own(place(sums)),
                    Sums::TwoClasses(sums) => Sums::TwoClasses(place(sums)),
                };
            }
        }
        self.penalties.iter_mut().for_each(|id| *id = place(*id));
        self
    }
}
