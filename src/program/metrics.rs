//! What the metric buffers add up to.

/// Totals over the samples of the steps since the metrics were cleared.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Metrics {
    /// Sum of the samples' losses, that of regularizers included.
    pub loss_sum: f64,
    /// Right predictions: samples whose largest output is the right class, or, with a binary
    /// cross-entropy, outputs on the right side of 1/2.
    pub correct: u64,
    /// Number of the first step with a logit or a loss that was NaN or infinite.
    pub first_nonfinite_step: Option<u64>,
}

impl Metrics {
    /// Adds up, in f64, what each row of the batch has gathered, `loss[B]` (and the penalty) and
    /// `counts[B,2]`. A row gathers over the steps by itself, so no two invocations ever add to one number.
    pub fn sum(loss: impl Iterator<Item = f64>, counts: &[u32]) -> Self {
        let counts = counts.chunks_exact(2);
        Metrics {
            loss_sum: loss.sum(),
            correct: counts.clone().map(|count| u64::from(count[0])).sum(),
            first_nonfinite_step: counts
                .filter(|count| count[1] != 0)
                .map(|count| u64::from(count[1]))
                .min(),
        }
    }

    /// The first step with a loss that was not finite; `last` if only the sum of all is not, as by
    /// a regularizer of weights that are too large.
    pub fn nonfinite_step(&self, last: u64) -> Option<u64> {
        self.first_nonfinite_step.or((!self.loss_sum.is_finite()).then_some(last))
    }

    /// Those of both together.
    pub fn plus(&self, other: &Metrics) -> Self {
        let steps = [self.first_nonfinite_step, other.first_nonfinite_step];
        Metrics {
            loss_sum: self.loss_sum + other.loss_sum,
            correct: self.correct + other.correct,
            first_nonfinite_step: steps.into_iter().flatten().min(),
        }
    }
}
