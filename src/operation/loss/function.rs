//! The functions that a pointwise loss can be.

use crate::number::{Real, bounds};
use crate::operation::activation::Elementwise;
use crate::operation::functions::functions;

functions! {
    /// What one output `y` costs against its `target`.
    pub enum LossFunction in "loss/function" {
        /// `log(1 + exp(y)) - y · smoothed` of a logit `y`, where
        /// `smoothed = target · (1 - label_smoothing) + label_smoothing / 2`. An output is right if
        /// `y > 0` and the target is 1, or neither is the case and the target is 0.
        BinaryCrossentropy {
            /// Share of each target that is moved to 1/2; 0 to 1.
            label_smoothing = 0.125
        } ("binary_crossentropy"),
        /// `(y - target)²`.
        MeanSquaredError ("mean_squared_error"),
        /// `|y - target|`.
        MeanAbsoluteError ("mean_absolute_error"),
        /// `(y - target)² / 2` where `|y - target|` is at most `delta`, beyond
        /// `delta · (|y - target| - delta / 2)`.
        Huber {
            /// Where it becomes linear.
            delta = 0.75
        } ("huber"),
    }
}

impl LossFunction {
    /// What `y` costs, and the derivative of that by `y`.
    pub fn loss_and_slope<T: Real>(self, y: T, target: T) -> [T; 2] {
        let two = T::ONE + T::ONE;
        let error = y - target;
        let size = if error < T::ZERO { -error } else { error };
        let sign = match error {
            error if error > T::ZERO => T::ONE,
            error if error < T::ZERO => -T::ONE,
            // Zero, or a NaN that must stay one.
            error => error,
        };
        match self {
            LossFunction::BinaryCrossentropy { label_smoothing } => {
                let smoothing = T::from_f64(label_smoothing);
                let target = target * (T::ONE - smoothing) + smoothing / two;
                // log(1 + exp(y)) - y · target, without an exp that could overflow.
                let power = if y < T::ZERO { y.exp() } else { (-y).exp() };
                let positive = if y > T::ZERO { y } else { y * T::ZERO };
                let sigmoid = if y < T::ZERO { power } else { T::ONE } / (T::ONE + power);
                [positive - y * target + (T::ONE + power).ln(), sigmoid - target]
            }
            LossFunction::MeanSquaredError => [error * error, two * error],
            LossFunction::MeanAbsoluteError => [size, sign],
            LossFunction::Huber { delta } => {
                let delta = T::from_f64(delta);
                if size <= delta {
                    [error * error / two, error]
                } else {
                    [delta * (size - delta / two), delta * sign]
                }
            }
        }
    }

    /// Whether `y` counts as right; never where nothing is right or wrong.
    pub fn is_right<T: Real>(self, y: T, target: T) -> bool {
        match self {
            LossFunction::BinaryCrossentropy { .. } => {
                // A logit above 0 is a probability above 1/2.
                let predicted = if y > T::ZERO { T::ONE } else { T::ZERO };
                predicted == target
            }
            LossFunction::MeanSquaredError
            | LossFunction::MeanAbsoluteError
            | LossFunction::Huber { .. } => false,
        }
    }

    /// Of what `y` costs, and of the derivative: the size, and how far the kernel may be off.
    pub fn bounds(self, y: f64, target: f64) -> [[f64; 2]; 2] {
        let error = (y - target).abs();
        let rounding = bounds::rounded(error);
        match self {
            LossFunction::BinaryCrossentropy { label_smoothing } => {
                let target = target * (1.0 - label_smoothing) + 0.5 * label_smoothing;
                let log = (-y.abs()).exp().ln_1p();
                let size = y.max(0.0) + (y * target).abs() + log;
                let sigmoid = Elementwise::Sigmoid.bound(y, 0.0);
                [
                    [size, bounds::rounded(size) + bounds::log_one_plus_exp(y)],
                    [1.0, sigmoid + bounds::rounded(1.0)],
                ]
            }
            LossFunction::MeanSquaredError => {
                let square = error * error;
                [
                    [square, 2.0 * error * rounding + bounds::rounded(square)],
                    [2.0 * error, 3.0 * rounding],
                ]
            }
            // The sign is exact.
            LossFunction::MeanAbsoluteError => [[error, rounding], [1.0, 0.0]],
            LossFunction::Huber { delta } => {
                let slope = error.min(delta);
                let loss = if error <= delta {
                    0.5 * error * error
                } else {
                    delta * (error - 0.5 * delta)
                };
                let off_by = slope * rounding + bounds::rounded(delta * (error + delta));
                [[loss, off_by], [slope, rounding]]
            }
        }
    }
}
