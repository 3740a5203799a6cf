//! How sharp the minimum is that a training has found.

use minibatch::data::Dataset;
use minibatch::random::{Random, Stream};
use minibatch::{Model, Result};

use super::evaluated;

/// Each weight is multiplied by 1 plus this times a number of the standard normal distribution.
const NOISE: f64 = 0.01;
const DRAWS: u32 = 5;

/// More samples would not tell more.
const MOST_SAMPLES: usize = 10_000;

/// By how much of itself the loss on the first training samples grows when the weights are noisy:
/// the mean of some draws that `seed` decides, each added and subtracted, so that a slope does not
/// count, only how the loss bends. The weights are what they were afterwards.
///
/// # Errors
/// If the device fails.
pub(super) fn sharpness(model: &mut Model, data: &Dataset, seed: u64) -> Result<f64> {
    let data = match data.len() > MOST_SAMPLES {
        true => data.split_last(1.0 - MOST_SAMPLES as f64 / data.len() as f64)?.0,
        false => data.clone(),
    };
    let weights = model.weights()?;
    let loss = evaluated(model, &data)?.loss;
    let mut sum = 0.0;
    for draw in 0..DRAWS {
        for size in [NOISE, -NOISE] {
            let mut random = Random::new(seed, Stream::Perturbation(draw));
            let mut noisy = weights.clone();
            for value in noisy.iter_mut().flat_map(|(.., values)| values) {
                *value *= (1.0 + size * normal(&mut random)) as f32;
            }
            model.set_weights(&noisy)?;
            sum += evaluated(model, &data)?.loss - loss;
        }
    }
    model.set_weights(&weights)?;
    Ok(sum / f64::from(2 * DRAWS) / loss.max(f64::MIN_POSITIVE))
}

/// A number of the standard normal distribution, by Box and Muller.
fn normal(random: &mut Random) -> f64 {
    let radius = (-2.0 * (1.0 - random.uniform()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.uniform()).cos()
}

#[cfg(test)]
mod tests {
    use minibatch::data::{Features, Targets};
    use minibatch::{Activation, Cpu, Loss, Sequential, Sgd};

    use super::*;

    /// One weight w, the input 1 and the target 0: the loss is w², so noise of e and of -e makes it
    /// w² (1 + e²) on average, and it grows by the variance of e, 0.01%.
    #[test]
    fn the_loss_of_a_parabola_grows_by_the_variance_of_the_noise() {
        let data =
            Dataset::new(Features::F32(vec![1.0].into()), &[1], Targets::values(vec![0.0], 1))
                .unwrap();
        let mut model = Sequential::new(1)
            .dense(1, Activation::Linear)
            .compile(Sgd::default(), Loss::MeanSquaredError, [])
            .build(&Cpu::new())
            .unwrap();
        model.set_weight("dense_1.weight", &[3.0]).unwrap();
        // The bias stays 0, as noise is relative.
        let draws: Vec<f64> =
            (0..400).map(|seed| sharpness(&mut model, &data, seed).unwrap()).collect();
        let mean = draws.iter().sum::<f64>() / 400.0;
        // The variance of e² is 2 * 1e-8, and there are 2000 draws.
        assert!((mean - 1e-4).abs() < 4.0 * (2e-8 / 2000f64).sqrt(), "{mean}");
        assert_eq!(model.weight("dense_1.weight").unwrap(), [3.0]);
    }
}
