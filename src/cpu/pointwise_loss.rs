//! CPU twin of `pointwise_loss.wgsl`.

use super::loss::{Outputs, RowLoss, Rows, each_row};
use crate::number::Real;
use crate::operation::LossFunction as PointwiseLoss;
use crate::operation::activation::Elementwise;

/// Loss, metrics and gradient (before `activation`) of each row of outputs against
/// `targets[B,U]`.
pub fn pointwise_loss<T: Real>(
    rows: Rows<'_, T>,
    targets: &[T],
    outputs: Outputs<'_, T>,
    function: PointwiseLoss,
    activation: Elementwise,
) {
    let Rows { units, stride, .. } = rows;
    let inverse_units = T::ONE / T::from_f64(units as f64);
    each_row(rows, outputs, |row, outputs, gradient| {
        let targets = &targets[row * stride..][..units];
        let (mut sum, mut right) = (T::ZERO, 0);
        for ((&y, &target), gradient) in outputs.iter().zip(targets).zip(gradient) {
            let (loss, slope) = loss_and_slope(function, y, target);
            sum += loss;
            *gradient = slope * activation.derivative(y) * inverse_units;
            if let PointwiseLoss::BinaryCrossentropy { .. } = function {
                // A logit above 0 is a probability above 1/2.
                let predicted = if y > T::ZERO { T::ONE } else { T::ZERO };
                right += u32::from(predicted == target);
            }
        }
        RowLoss {
            loss: sum * inverse_units,
            right,
            finite: outputs.iter().all(|output| output.is_finite()),
        }
    });
}

fn loss_and_slope<T: Real>(function: PointwiseLoss, y: T, target: T) -> (T, T) {
    let two = T::ONE + T::ONE;
    let error = y - target;
    let size = if error < T::ZERO { -error } else { error };
    let sign = match error {
        error if error > T::ZERO => T::ONE,
        error if error < T::ZERO => -T::ONE,
        // Zero, or a NaN that must stay one.
        error => error,
    };
    match function {
        PointwiseLoss::BinaryCrossentropy { label_smoothing } => {
            let smoothing = T::from_f64(label_smoothing);
            let target = target * (T::ONE - smoothing) + smoothing / two;
            // log(1 + exp(y)) - y · target, without an exp that could overflow.
            let power = if y < T::ZERO { y.exp() } else { (-y).exp() };
            let positive = if y > T::ZERO { y } else { y * T::ZERO };
            let sigmoid = if y < T::ZERO { power } else { T::ONE } / (T::ONE + power);
            (positive - y * target + (T::ONE + power).ln(), sigmoid - target)
        }
        PointwiseLoss::MeanSquaredError => (error * error, two * error),
        PointwiseLoss::MeanAbsoluteError => (size, sign),
        PointwiseLoss::Huber { delta } => {
            let delta = T::from_f64(delta);
            if size <= delta {
                (error * error / two, error)
            } else {
                (delta * (size - delta / two), delta * sign)
            }
        }
    }
}
