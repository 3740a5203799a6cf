//! The gradient noise scale: how large a batch pays, told by how much the gradients of samples
//! differ.
//!
//! McCandlish, Kaplan, Amodei and others, "An Empirical Model of Large-Batch Training", 2018,
//! appendix A.1: `B_simple = tr(Σ) / |G|²`, where `G` is the gradient over all samples and `Σ` the
//! covariance of the gradient of one sample. A batch's gradient is `G` and noise, so its squared
//! norm is on average `|G|² + tr(Σ) / samples`. Two batch sizes tell both unknowns: here a batch and
//! its equal parts.

use serde::Serialize;

/// The gradients of equal parts of one batch, added up until their noise is asked for. It holds as
/// many values as one gradient.
#[derive(Debug, Clone)]
pub struct PartGradients {
    /// Samples in each part.
    rows: usize,
    parts: usize,
    sum: Vec<f64>,
    /// The sum of their squared norms.
    squares: f64,
}

impl PartGradients {
    /// Of parts of `rows` samples each; none yet.
    #[must_use]
    pub fn new(rows: usize) -> Self {
        PartGradients { rows, parts: 0, sum: Vec::new(), squares: 0.0 }
    }

    /// How many were added.
    #[must_use]
    pub fn parts(&self) -> usize {
        self.parts
    }

    /// Adds the mean gradient of a part's samples: the values of all parameters, in the same order
    /// for each part.
    pub fn add(&mut self, gradient: impl IntoIterator<Item = f64>) {
        for (place, value) in gradient.into_iter().enumerate() {
            match self.sum.get_mut(place) {
                Some(sum) => *sum += value,
                None => self.sum.push(value),
            }
            self.squares += value * value;
        }
        self.parts += 1;
    }

    /// The mean of all gradients that were added: that of the whole batch.
    pub fn mean(&self) -> impl Iterator<Item = f64> + '_ {
        let parts = self.parts.max(1) as f64;
        self.sum.iter().map(move |sum| sum / parts)
    }

    /// What they say of gradient and noise, both without bias; `None` of fewer than two parts.
    #[must_use]
    pub fn noise(&self) -> Option<GradientNoise> {
        if self.parts < 2 {
            return None;
        }
        let (parts, rows) = (self.parts as f64, self.rows as f64);
        let of_batch = self.mean().map(|value| value * value).sum::<f64>();
        let of_part = self.squares / parts;
        // Between parts that are alike, rounding may leave less than 0.
        let variance = ((of_part - of_batch) * rows * parts / (parts - 1.0)).max(0.0);
        Some(GradientNoise { squared_norm: of_batch - variance / (rows * parts), variance })
    }
}

/// How large the gradient is, and how much it differs from sample to sample. Both are estimates
/// without bias, so averages of several come closer.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
#[non_exhaustive]
pub struct GradientNoise {
    /// The squared norm of the gradient over all samples, `|G|²`. Below 0 where the noise hides it.
    pub squared_norm: f64,
    /// The variance of one sample's gradient, summed over all parameters: `tr(Σ)`.
    pub variance: f64,
}

impl GradientNoise {
    /// With these values.
    #[must_use]
    pub fn new(squared_norm: f64, variance: f64) -> Self {
        GradientNoise { squared_norm, variance }
    }

    /// The mean of several measurements: of the numerators and of the denominators, as a mean of
    /// quotients would have a bias. Zeros if there is none.
    #[must_use]
    pub fn mean(measured: impl IntoIterator<Item = GradientNoise>) -> Self {
        let (mut sum, mut count) = (GradientNoise::default(), 0.0f64);
        for GradientNoise { squared_norm, variance } in measured {
            sum.squared_norm += squared_norm;
            sum.variance += variance;
            count += 1.0;
        }
        let count = count.max(1.0);
        GradientNoise { squared_norm: sum.squared_norm / count, variance: sum.variance / count }
    }

    /// The gradient noise scale `tr(Σ) / |G|²`, in samples: the batch size at which the noise is as
    /// large as the gradient. By the paper's model, batches of `b` samples take `1 + scale / b`
    /// times the steps that the true gradient would. `None` if the noise hides the gradient.
    #[must_use]
    pub fn scale(&self) -> Option<f64> {
        let scale = self.variance / self.squared_norm;
        (self.squared_norm > 0.0 && scale.is_finite()).then_some(scale)
    }

    /// How far the gradient of `samples` samples is off from that of all, relative to it: the root
    /// of the mean square, `sqrt(tr(Σ) / samples) / |G|`, which falls with the root of the batch
    /// size. `None` if the noise hides the gradient.
    #[must_use]
    pub fn uncertainty(&self, samples: usize) -> Option<f64> {
        self.scale().map(|scale| (scale / samples.max(1) as f64).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Random, Stream};

    /// Numbers of the standard normal distribution, by Box and Muller.
    fn normal(random: &mut Random) -> f64 {
        let radius = (-2.0 * (1.0 - random.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * random.uniform()).cos()
    }

    /// Over every draw from a small population there is no chance left: the means are exact.
    #[test]
    fn the_mean_over_all_draws_is_exact() {
        let population = [[1.0, 2.0], [-3.0, 0.5], [0.25, -1.0]];
        let draws = 3usize.pow(4);
        let measured = (0..draws).map(|draw| {
            let drawn = |place: u32| population[draw / 3usize.pow(place) % 3];
            let mut parts = PartGradients::new(2);
            for [a, b] in [[0, 1], [2, 3]].map(|part| part.map(drawn)) {
                parts.add([(a[0] + b[0]) / 2.0, (a[1] + b[1]) / 2.0]);
            }
            parts.noise().unwrap()
        });
        let mean = GradientNoise::mean(measured);
        let gradient = [-1.75 / 3.0, 1.5 / 3.0];
        let squared_norm: f64 = gradient.iter().map(|g| g * g).sum();
        let off = population.map(|[x, y]| (x - gradient[0]).powi(2) + (y - gradient[1]).powi(2));
        let variance = off.iter().sum::<f64>() / 3.0;
        assert!((mean.squared_norm - squared_norm).abs() < 1e-12, "{mean:?}");
        assert!((mean.variance - variance).abs() < 1e-12, "{mean:?}");
    }

    /// Linear regression: targets `w*·x + noise` of inputs with the unit covariance, the loss half
    /// the squared error. With `d = w - w*`, a sample's gradient is `(d·x - noise) x`; its mean is
    /// `d`, and by the normal distribution's fourth moments `tr(Σ) = (n + 1) |d|² + n σ²`.
    #[test]
    fn linear_regression_has_the_scale_that_its_covariance_says() {
        let (distance, sigma) = ([0.6, -0.3, 0.2, 0.1, -0.5], 0.8f64);
        let [inputs, squared_norm] = [5.0, distance.iter().map(|d| d * d).sum::<f64>()];
        let variance = (inputs + 1.0) * squared_norm + inputs * sigma * sigma;
        let random = &mut Random::new(3, Stream::Parity);
        let (parts, rows, draws) = (8, 4, 4000);
        let mut measured = Vec::new();
        for _ in 0..draws {
            let mut gradients = PartGradients::new(rows);
            for _ in 0..parts {
                let mut mean = [0.0; 5];
                for _ in 0..rows {
                    let x = distance.map(|_| normal(random));
                    let product: f64 = x.iter().zip(distance).map(|(x, d)| x * d).sum();
                    let error = product - sigma * normal(random);
                    mean.iter_mut().zip(x).for_each(|(g, x)| *g += error * x / rows as f64);
                }
                gradients.add(mean);
            }
            measured.push(gradients.noise().unwrap());
        }
        let mean = GradientNoise::mean(measured.iter().copied());
        for (value, of, expected) in [
            (mean.squared_norm, (|n| n.squared_norm) as fn(&GradientNoise) -> f64, squared_norm),
            (mean.variance, |n| n.variance, variance),
        ] {
            let squares: f64 = measured.iter().map(|noise| (of(noise) - value).powi(2)).sum();
            let standard_error = squares.sqrt() / f64::from(draws);
            assert!((value - expected).abs() < 4.0 * standard_error, "{value}, not {expected}");
            assert!(standard_error < 0.02 * expected, "too few draws to tell");
        }
        let scale = mean.scale().unwrap();
        assert!((scale / (variance / squared_norm) - 1.0).abs() < 0.05, "{scale}");
    }

    #[test]
    fn equal_gradients_have_no_noise_and_too_few_tell_nothing() {
        let mut parts = PartGradients::new(3);
        parts.add([0.1, 0.2, 0.3]);
        assert_eq!(parts.noise(), None);
        parts.add([0.1, 0.2, 0.3]);
        let noise = parts.noise().unwrap();
        assert!(noise.variance.abs() < 1e-15 && (noise.squared_norm - 0.14).abs() < 1e-15);
        assert!(noise.scale().unwrap() < 1e-14);
        assert_eq!(GradientNoise::new(-0.1, 2.0).scale(), None);
        assert_eq!(GradientNoise::new(0.0, 0.0).scale(), None);
        assert_eq!(GradientNoise::mean([]).scale(), None);
    }

    #[test]
    fn uncertainty_falls_with_the_root_of_the_batch_size() {
        let noise = GradientNoise::new(4.0, 36.0);
        assert_eq!(noise.scale(), Some(9.0));
        assert_eq!([1, 9, 36].map(|samples| noise.uncertainty(samples).unwrap()), [3.0, 1.0, 0.5]);
    }
}
