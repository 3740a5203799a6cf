//! How many samples of each class were taken for which.

use super::rows::{MetricConstants, row_weight};
use crate::operation::prelude::*;

operation! {
    /// `matrix[labels[B], predicted[B]] += w` for each sample, in their order, where `w` is the
    /// sample's weight if `weighted`, else 1. A label or a prediction beyond the classes of
    /// `matrix[C,C]` counts nowhere.
    pub struct ConfusionMatrix("confusion_matrix") {
        read labels, read predicted, read sample_weights, write matrix;
        weighted: bool,
    }
}

impl Operation for ConfusionMatrix {
    const IN_PARTS: InParts = InParts::Sums;
    const FLOPS: u32 = 0;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        let classes = shapes.columns(self.matrix);
        shapes.indices([self.labels, self.predicted])?;
        shapes.rows([self.sample_weights], 1)?;
        shapes.matrix(self.matrix, classes, classes)?;
        shapes.metric(self.matrix)
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let classes = on.table.columns(self.matrix);
        let (labels, predicted) = (on.u32(self.labels), on.u32(self.predicted));
        let (weights, mut matrix) = (on.real(self.sample_weights), on.real_mut(self.matrix));
        let samples = labels.iter().zip(predicted.iter()).take(on.rows()).enumerate();
        for (row, (&label, &predicted)) in samples {
            let (label, predicted) = (label as usize, predicted as usize);
            if label < classes && predicted < classes {
                matrix[label * classes + predicted] += row_weight(self.weighted, &weights, row);
            }
        }
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let classes = target.columns(self.matrix)?;
        let text = wgsl!["shared/metric", "metric/confusion_matrix"];
        let constants = MetricConstants::new(classes, self.weighted);
        // One invocation for each class.
        Ok(Dispatch::new(self, text, constants, Grid::columns(classes, 32)))
    }
}
