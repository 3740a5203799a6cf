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

    /// The totals of buffer `id`: of each column over the rows of the batch; none if nothing was
    /// gathered.
    pub fn sums(&self, id: BufferId) -> &[f64] {
        self.sums.get(&id).map_or(&[], Vec::as_slice)
    }

    /// The first of those totals; 0 if nothing was gathered.
    pub fn sum(&self, id: BufferId) -> f64 {
        self.sums(id).first().copied().unwrap_or(0.0)
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
