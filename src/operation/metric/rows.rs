//! What the metrics do alike: each row by itself adds to sums of its own.

use bytemuck::{Pod, Zeroable};

use crate::error::Result;
use crate::number::Real;
use crate::operation::run::Run;
use crate::operation::shapes::Shapes;
use crate::table::BufferId;

/// `Shape` in `shared/metric.wgsl`.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct MetricConstants {
    units: u32,
    weighted: u32,
    count: u32,
    parameter: f32,
}

impl MetricConstants {
    /// For rows of `units` predictions; for a confusion matrix, of so many classes.
    pub(super) fn new(units: u32, weighted: bool) -> Self {
        MetricConstants { units, weighted: u32::from(weighted), count: 0, parameter: 0.0 }
    }

    /// The same with the k of the largest, or with the buckets of a histogram.
    pub(super) fn count(self, count: u32) -> Self {
        MetricConstants { count, ..self }
    }

    /// The same with what a prediction must be greater than to be positive, or with the label
    /// smoothing.
    pub(super) fn parameter(self, parameter: f64) -> Self {
        MetricConstants { parameter: parameter as f32, ..self }
    }
}

/// The buffers that every metric of rows has beside its targets.
#[derive(Debug, Clone, Copy)]
pub(super) struct MetricRows {
    /// `[B,U]`.
    pub predictions: BufferId,
    /// `[B]`.
    pub sample_weights: BufferId,
    /// Sums of each row, added to.
    pub sums: BufferId,
    /// Whether a row counts its sample weight; else it counts 1.
    pub weighted: bool,
}

impl MetricRows {
    /// Demands `columns` sums for each row.
    pub(super) fn check(self, shapes: &Shapes<'_>, columns: usize) -> Result<()> {
        shapes.activations([self.predictions], shapes.columns(self.predictions))?;
        shapes.rows([self.sample_weights], 1)?;
        shapes.rows([self.sums], columns)?;
        shapes.metric(self.sums)
    }

    /// Runs `each` on every live row: its number, its predictions, its sums to add to, and what it
    /// counts.
    pub(super) fn each<T: Real>(
        self,
        on: &Run<'_, T>,
        mut each: impl FnMut(usize, &[T], &mut [T], T),
    ) {
        let shape = on.shape(self.predictions);
        let (predictions, weights) = (on.real(self.predictions), on.real(self.sample_weights));
        let (mut sums, columns) = (on.real_mut(self.sums), on.table.columns(self.sums));
        let rows = predictions.chunks_exact(shape.stride).zip(sums.chunks_exact_mut(columns));
        for (row, (predictions, sums)) in rows.take(shape.rows).enumerate() {
            let weight = row_weight(self.weighted, &weights, row);
            each(row, &predictions[..shape.columns], sums, weight);
        }
    }
}

/// What a row counts: its sample weight, or 1.
pub(super) fn row_weight<T: Real>(weighted: bool, weights: &[T], row: usize) -> T {
    if weighted { weights[row] } else { T::ONE }
}
