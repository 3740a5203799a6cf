//! The functions that a pointwise metric can be.

use super::thresholds::Thresholds;
use crate::error::Result;
use crate::number::{Real, bounds};
use crate::operation::functions::functions;
use crate::operation::loss::LossFunction;

functions! {
    /// What one prediction is worth against its target.
    pub enum MetricFunction in "metric/function" {
        /// `(prediction - target)²`.
        SquaredError ("squared_error"),
        /// `|prediction - target|`.
        AbsoluteError ("absolute_error"),
        /// 1 where `prediction > threshold` and the target is 1, or neither is the case and the
        /// target is 0; otherwise 0.
        BinaryAccuracy {
            /// 1/2 in Keras; compared in f32.
            threshold = 0.3
        } ("binary_accuracy"),
        /// `log(1 + exp(logit)) - logit · smoothed` of a logit as prediction, where
        /// `smoothed = target · (1 - label_smoothing) + label_smoothing / 2`.
        BinaryCrossentropy {
            /// Share of each target that is moved to 1/2; 0 to 1.
            label_smoothing = 0.125
        } ("binary_crossentropy"),
    }
}

impl MetricFunction {
    /// Whether its constant is a number.
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) if it is NaN.
    pub fn check(self) -> Result<()> {
        match self {
            MetricFunction::SquaredError
            | MetricFunction::AbsoluteError
            | MetricFunction::BinaryCrossentropy { .. } => Ok(()),
            MetricFunction::BinaryAccuracy { threshold } => Thresholds::One(threshold).check(),
        }
    }

    /// What `prediction` is worth.
    pub fn value<T: Real>(self, prediction: T, target: T) -> T {
        let error = prediction - target;
        match self {
            MetricFunction::SquaredError => error * error,
            MetricFunction::AbsoluteError => {
                if error < T::ZERO {
                    -error
                } else {
                    error
                }
            }
            MetricFunction::BinaryAccuracy { threshold } => {
                let positive = prediction > T::from_f32(threshold as f32);
                let predicted = if positive { T::ONE } else { T::ZERO };
                if predicted == target { T::ONE } else { T::ZERO }
            }
            MetricFunction::BinaryCrossentropy { label_smoothing } => {
                LossFunction::BinaryCrossentropy { label_smoothing }
                    .loss_and_slope(prediction, target)[0]
            }
        }
    }

    /// The size of what `prediction` is worth, and how far the kernel may be off.
    pub fn bounds(self, prediction: f64, target: f64) -> [f64; 2] {
        let error = (prediction - target).abs();
        let rounding = bounds::rounded(error);
        match self {
            MetricFunction::SquaredError => {
                let square = error * error;
                [square, 2.0 * error * rounding + bounds::rounded(square)]
            }
            MetricFunction::AbsoluteError => [error, rounding],
            // 0 or 1, exactly.
            MetricFunction::BinaryAccuracy { .. } => [1.0, 0.0],
            MetricFunction::BinaryCrossentropy { label_smoothing } => {
                LossFunction::BinaryCrossentropy { label_smoothing }.bounds(prediction, target)[0]
            }
        }
    }
}
