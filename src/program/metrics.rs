//! What the metric buffers add up to.

use std::collections::BTreeMap;

use super::builder::Program;
use crate::operation::Penalty;
use crate::table::{Buffer, BufferId, Element, Role, Rows};

/// Totals over the samples of the steps since the metrics were cleared, by metric buffer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Metrics {
    sums: BTreeMap<BufferId, Vec<f64>>,
    /// Number of the first step with a logit or a loss that was NaN or infinite.
    pub first_nonfinite_step: Option<u64>,
}

impl Metrics {
    /// Adds up, in f64, the metric buffers of `program`, whose values, as they lie in memory, `read`
    /// returns. A row gathers over the steps by itself, so no two invocations ever add to one
    /// number.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn gather<E>(
        program: &Program,
        mut read: impl FnMut(BufferId, &Buffer) -> Result<Vec<f64>, E>,
    ) -> Result<Self, E> {
        let mut metrics = Metrics::default();
        for (id, buffer) in program.of_role(Role::Metric) {
            let values = read(id, buffer)?;
            let sums = match (buffer.element, buffer.rows) {
                (_, Rows::Fixed(rows) | Rows::Packed(rows)) => {
                    values.into_iter().take(rows * buffer.columns).collect()
                }
                // What follows the sums is the number of the next one.
                (_, Rows::One) => vec![values.iter().take(Penalty::SLOTS).sum()],
                (Element::U32, Rows::Batch) => {
                    let steps = values.chunks_exact(2).map(|row| row[1]).filter(|&step| step > 0.0);
                    let first = steps.min_by(f64::total_cmp).map(|step| step as u64);
                    let before = metrics.first_nonfinite_step;
                    metrics.first_nonfinite_step = before.into_iter().chain(first).min();
                    vec![values.chunks_exact(2).map(|row| row[0]).sum()]
                }
                (_, Rows::Batch) => {
                    let mut sums = vec![0.0; buffer.columns];
                    for row in values.chunks_exact(buffer.columns) {
                        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
                    }
                    sums
                }
            };
            metrics.sums.insert(id, sums);
        }
        Ok(metrics)
    }

    /// Those of `program` before its first step.
    pub fn blank(program: &Program) -> Self {
        let zeros =
            |_, buffer: &Buffer| Ok::<_, std::convert::Infallible>(vec![0.0; buffer.allocated(0)]);
        Metrics::gather(program, zeros).unwrap_or_default()
    }

    /// The totals of buffer `id`: of each column over the rows of the batch; none if nothing was
    /// gathered.
    pub fn sums(&self, id: BufferId) -> &[f64] {
        self.sums.get(&id).map_or(&[], Vec::as_slice)
    }

    /// The first of those totals; 0 if nothing was gathered.
    pub fn sum(&self, id: BufferId) -> f64 {
        self.sums(id).first().copied().unwrap_or(0.0)
    }

    /// The totals one after the other, and the bits of the number of the first step that was not finite,
    /// or of 0: what [`with_values`](Self::with_values) makes the same metrics of.
    pub fn values(&self) -> Vec<f64> {
        let step = f64::from_bits(self.first_nonfinite_step.unwrap_or(0));
        self.sums.values().flatten().copied().chain([step]).collect()
    }

    /// Those of the same program that `values` are the [values](Self::values) of; `None` if their number is
    /// another.
    pub fn with_values(&self, values: &[f64]) -> Option<Self> {
        let (step, mut rest) = values.split_last()?;
        let mut sums = BTreeMap::new();
        for (&id, own) in &self.sums {
            let (own, others) = rest.split_at_checked(own.len())?;
            sums.insert(id, own.to_vec());
            rest = others;
        }
        let first_nonfinite_step = Some(step.to_bits()).filter(|&step| step > 0);
        rest.is_empty().then_some(Metrics { sums, first_nonfinite_step })
    }

    /// Those of both together.
    pub fn plus(&self, other: &Metrics) -> Self {
        let mut sums = self.sums.clone();
        for (&id, added) in &other.sums {
            let own = sums.entry(id).or_insert_with(|| vec![0.0; added.len()]);
            own.iter_mut().zip(added).for_each(|(own, added)| *own += added);
        }
        let steps = [self.first_nonfinite_step, other.first_nonfinite_step];
        Metrics { sums, first_nonfinite_step: steps.into_iter().flatten().min() }
    }
}
