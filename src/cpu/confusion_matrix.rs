//! CPU twin of `confusion_matrix.wgsl`.

use super::metric::row_weight;
use crate::number::Real;

/// `matrix[labels[B], predicted[B]] += weight` for each sample; what is none of the classes counts
/// nowhere.
pub fn confusion_matrix<T: Real>(
    labels: &[u32],
    predicted: &[u32],
    weights: Option<&[T]>,
    matrix: &mut [T],
    classes: usize,
) {
    for (row, (&label, &predicted)) in labels.iter().zip(predicted).enumerate() {
        let (label, predicted) = (label as usize, predicted as usize);
        if label < classes && predicted < classes {
            matrix[label * classes + predicted] += row_weight(weights, row);
        }
    }
}
