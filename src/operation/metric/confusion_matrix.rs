//! `confusion_matrix`.

use crate::operation::contract::operation;

operation! {
    /// `matrix[labels[B], predicted[B]] += w` for each sample, in their order. A label or a
    /// prediction beyond the classes of `matrix[C,C]` counts nowhere.
    pub struct ConfusionMatrix("confusion_matrix") {
        read labels, read predicted, read sample_weights, write matrix;
        weighted: bool,
    }
}
