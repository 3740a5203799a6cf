//! Initial weights, as on [Keras' page](https://keras.io/api/layers/initializers/).

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::random::{Random, Stream};

/// How a weight `[inputs, units]` begins. The variance of the "normal" ones is that of Keras:
/// normal values beyond two deviations are drawn anew, and what that takes from the variance is
/// given back.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Initializer {
    /// Uniform in `±sqrt(6 / (inputs + units))` (Glorot and Bengio, 2010): of weights by default.
    #[default]
    GlorotUniform,
    /// Variance `2 / (inputs + units)`.
    GlorotNormal,
    /// Uniform in `±sqrt(6 / inputs)` (He and others, 2015).
    HeUniform,
    /// Variance `2 / inputs`.
    HeNormal,
    /// Uniform in `±sqrt(3 / inputs)` (LeCun and others, 1998).
    LecunUniform,
    /// Variance `1 / inputs`.
    LecunNormal,
    /// All 0: of biases by default.
    Zeros,
    /// All 1.
    Ones,
    /// All the same.
    Constant(f64),
    /// Uniform in `[min, max)`.
    RandomUniform {
        /// -0.05 in Keras.
        min: f64,
        /// 0.05 in Keras.
        max: f64,
    },
    /// Normal.
    RandomNormal {
        /// 0 in Keras.
        mean: f64,
        /// Standard deviation; 0.05 in Keras.
        deviation: f64,
    },
}

/// Standard deviation of a standard normal value that lies within two.
const WITHIN_TWO: f64 = 0.879_625_661_034_239_8;

impl Initializer {
    /// Keras' default of biases, for serde.
    pub(crate) fn zeros() -> Self {
        Initializer::Zeros
    }

    /// Whether its constants can be weights.
    ///
    /// # Errors
    /// [`Error::Argument`] if one is not finite, or a deviation is negative.
    pub(crate) fn check(self) -> Result<()> {
        let fits = match self {
            Initializer::Constant(value) => (value as f32).is_finite(),
            Initializer::RandomUniform { min, max } => {
                (min as f32).is_finite() && (max as f32).is_finite()
            }
            Initializer::RandomNormal { mean, deviation } => {
                (mean as f32).is_finite() && (deviation as f32).is_finite() && deviation >= 0.0
            }
            _ => true,
        };
        if fits {
            return Ok(());
        }
        let problem = format!("is {self:?}; its constants must be finite, a deviation at least 0");
        Err(Error::argument("initializer", problem))
    }

    /// The values, a pure function of the seed and the number of the parameter; each is an f32.
    /// `inputs` is 0 for a bias, which in Keras has its units both ways.
    pub fn values(self, seed: u64, number: u32, inputs: usize, units: usize) -> Vec<f64> {
        let mut random = Random::new(seed, Stream::Initializer(number));
        let fan_out = units as f64;
        let fan_in = if inputs == 0 { fan_out } else { inputs as f64 };
        let uniform = |random: &mut Random, limit: f64| random.range(-limit, limit);
        let truncated =
            |random: &mut Random, variance: f64| within_two(random) * variance.sqrt() / WITHIN_TWO;
        let mut value = || match self {
            Initializer::GlorotUniform => uniform(&mut random, (6.0 / (fan_in + fan_out)).sqrt()),
            Initializer::HeUniform => uniform(&mut random, (6.0 / fan_in).sqrt()),
            Initializer::LecunUniform => uniform(&mut random, (3.0 / fan_in).sqrt()),
            Initializer::GlorotNormal => truncated(&mut random, 2.0 / (fan_in + fan_out)),
            Initializer::HeNormal => truncated(&mut random, 2.0 / fan_in),
            Initializer::LecunNormal => truncated(&mut random, 1.0 / fan_in),
            Initializer::Zeros => 0.0,
            Initializer::Ones => 1.0,
            Initializer::Constant(value) => value,
            Initializer::RandomUniform { min, max } => random.range(min, max),
            Initializer::RandomNormal { mean, deviation } => mean + deviation * normal(&mut random),
        };
        (0..inputs.max(1) * units).map(|_| f64::from(value() as f32)).collect()
    }
}

/// A standard normal value (Box and Muller, 1958).
fn normal(random: &mut Random) -> f64 {
    // The logarithm's argument is above 0.
    let (u, v) = (1.0 - random.uniform(), random.uniform());
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

fn within_two(random: &mut Random) -> f64 {
    loop {
        let value = normal(random);
        if value.abs() <= 2.0 {
            return value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean, variance, and largest size of many values.
    fn moments(initializer: Initializer) -> [f64; 3] {
        let values = initializer.values(1, 0, 300, 200);
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
        [mean, variance, values.iter().fold(0.0, |most, x| x.abs().max(most))]
    }

    #[test]
    fn each_has_the_variance_that_its_paper_gives() {
        use Initializer::*;
        for (initializer, variance) in [
            (GlorotUniform, 2.0f64 / 500.0),
            (GlorotNormal, 2.0 / 500.0),
            (HeUniform, 2.0 / 300.0),
            (HeNormal, 2.0 / 300.0),
            (LecunUniform, 1.0 / 300.0),
            (LecunNormal, 1.0 / 300.0),
            (RandomNormal { mean: 0.0, deviation: 0.05 }, 0.0025),
            (RandomUniform { min: -0.05, max: 0.05 }, 0.0025 / 3.0),
        ] {
            let [mean, actual, largest] = moments(initializer);
            // Of 60,000 values, both are within a few of their standard errors.
            assert!(mean.abs() < 5.0 * (variance / 60_000.0).sqrt(), "{initializer:?}: {mean}");
            assert!((actual / variance - 1.0).abs() < 0.03, "{initializer:?}: {actual}");
            if matches!(initializer, GlorotNormal | HeNormal | LecunNormal) {
                assert!(largest <= 2.0 * variance.sqrt() / WITHIN_TWO, "{initializer:?}");
            }
        }
    }

    #[test]
    fn constants_are_constant_and_seeds_differ() {
        assert_eq!(Initializer::Zeros.values(0, 0, 2, 3), [0.0; 6]);
        assert_eq!(Initializer::Ones.values(0, 0, 2, 3), [1.0; 6]);
        assert_eq!(Initializer::Constant(0.5).values(0, 0, 1, 2), [0.5; 2]);
        let of = |seed, number| Initializer::HeNormal.values(seed, number, 4, 4);
        assert_eq!(of(1, 0), of(1, 0));
        assert!(of(1, 0) != of(2, 0) && of(1, 0) != of(1, 1));
    }
}
