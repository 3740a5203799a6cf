//! The thresholds of a histogram of predictions.

use crate::error::{Error, Result};

/// Between which predictions the buckets of a histogram lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Thresholds {
    /// One threshold, and two buckets: predictions that are not greater, and those that are.
    /// Compared in f32.
    One(f64),
    /// As many thresholds as Keras' [`AUC`](https://keras.io/api/metrics/classification_metrics/)
    /// has by `num_thresholds`, at least 2: -1e-7, multiples of `1 / (count - 1)` between 0 and 1,
    /// and 1 + 1e-7. The `count - 1` buckets between them are of equal width; a prediction on a
    /// threshold is in the bucket below, and one beyond 0 or 1 in the first or the last.
    Even(usize),
}

impl Thresholds {
    /// Whether they are numbers, and enough of them.
    ///
    /// # Errors
    /// [`Error::Argument`] if a threshold is NaN, or fewer than 2 are spread evenly.
    pub fn check(self) -> Result<()> {
        match self {
            Thresholds::One(threshold) if threshold.is_nan() => {
                Err(Error::argument("threshold", "is NaN; give a number such as 0.5"))
            }
            Thresholds::Even(count) if count < 2 => {
                let problem = format!("{count} are too few; give at least 2, 200 are usual");
                Err(Error::argument("thresholds", problem))
            }
            Thresholds::One(_) | Thresholds::Even(_) => Ok(()),
        }
    }

    /// Buckets of the histogram.
    pub fn buckets(self) -> usize {
        match self {
            Thresholds::One(_) => 2,
            Thresholds::Even(count) => count.saturating_sub(1),
        }
    }

    /// The bucket of a prediction, below [`buckets`](Self::buckets); 0 for NaN.
    pub fn bucket(self, prediction: f32) -> usize {
        match self {
            Thresholds::One(threshold) => usize::from(prediction > threshold as f32),
            Thresholds::Even(_) => {
                let buckets = self.buckets();
                // The cast makes 0 of NaN.
                let above = (prediction.clamp(0.0, 1.0) * buckets as f32).ceil() as usize;
                above.clamp(1, buckets.max(1)) - 1
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prediction_on_a_threshold_is_in_the_bucket_below() {
        let one = Thresholds::One(0.25);
        assert_eq!(one.buckets(), 2);
        assert_eq!([0.0, 0.25, 0.250_000_03, 1.0].map(|p| one.bucket(p)), [0, 0, 1, 1]);
        let even = Thresholds::Even(5);
        assert_eq!(even.buckets(), 4);
        let predictions = [-1.0, 0.0, 0.25, 0.250_000_03, 0.5, 0.75, 1.0, 2.0];
        assert_eq!(predictions.map(|p| even.bucket(p)), [0, 0, 0, 1, 1, 2, 3, 3]);
        assert_eq!([one, even].map(|thresholds| thresholds.bucket(f32::NAN)), [0, 0]);
    }
}
