//! Whether a layer's constants are in their ranges.

use crate::error::{Error, Result};
use crate::model::{Layer, Normalization};
use crate::operation::activation::Activation;

/// A slope below 0 would make the derivative untellable from the result, and what is not finite
/// would end in the weights.
pub(super) fn check_constants(layer: &Layer) -> Result<()> {
    let check = |argument, value: f64, fits: bool, expected: &str| match fits {
        true => Ok(()),
        false => Err(Error::argument(argument, format!("is {value}; expected {expected}"))),
    };
    let not_negative = |argument, value: f64| {
        let fits = value >= 0.0 && value.is_finite();
        check(argument, value, fits, "a finite number of at least 0")
    };
    // Less would be 0 in f32, and a division by it where a variance is 0.
    let epsilon = |value: f64| {
        let fits = value >= f64::from(f32::MIN_POSITIVE) && value.is_finite();
        check("epsilon", value, fits, "a positive, finite number of at least 1.2e-38")
    };
    let finite = |argument, value: f64| {
        check(argument, value, (value as f32).is_finite(), "a finite number")
    };
    let activation = match layer {
        Layer::Dense(dense) => {
            dense.weight_initializer.check()?;
            dense.bias_initializer.check()?;
            dense.activation
        }
        Layer::Activation(layer) => layer.activation,
        Layer::Dropout(crate::model::Dropout { rate }) => {
            return check("rate", *rate, (0.0..1.0).contains(rate), "at least 0 and less than 1");
        }
        Layer::GaussianNoise(crate::model::GaussianNoise { standard_deviation }) => {
            return not_negative("standard_deviation", *standard_deviation);
        }
        Layer::BatchNormalization(layer) => {
            let fits = (0.0..=1.0).contains(&layer.momentum);
            check("momentum", layer.momentum, fits, "0 to 1")?;
            return epsilon(layer.epsilon);
        }
        Layer::LayerNormalization(layer) => return epsilon(layer.epsilon),
        Layer::Normalization(Normalization { mean, variance }) => {
            mean.iter().try_for_each(|&mean| finite("mean", mean))?;
            return variance.iter().try_for_each(|&variance| {
                let fits = variance >= 0.0 && (variance as f32).is_finite();
                check("variance", variance, fits, "a finite number of at least 0")
            });
        }
        Layer::Rescaling(crate::model::Rescaling { scale, offset }) => {
            finite("scale", *scale)?;
            return finite("offset", *offset);
        }
        Layer::Flatten(_) => return Ok(()),
    };
    match activation {
        Activation::LeakyRelu { negative_slope } => not_negative("negative_slope", negative_slope),
        Activation::Elu { alpha } => not_negative("alpha", alpha),
        _ => Ok(()),
    }
}
