//! Noise of the normal distribution.

use bytemuck::{Pod, Zeroable};

use super::normal::standard_normal;
use crate::operation::prelude::*;
use crate::random::noise;

/// What a value costs, as [`Threads`](crate::cpu::Threads) count it: a root and a logarithm.
const NORMAL_WORK: usize = 32;

operation! {
    /// `output[B,U] = input[B,U] + standard_deviation · z`, with `z` of the standard normal
    /// distribution: a pure function of the step's noise, the layer and the place.
    pub struct GaussianNoise("gaussian_noise") {
        read input, write output;
        /// Of the noise.
        standard_deviation: f64,
        /// Number of the layer, so that no two layers add the same noise.
        layer: u32,
    }
}

/// `Constants` in `noise/gaussian_noise.wgsl`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Constants {
    units: u32,
    standard_deviation: f32,
    layer: u32,
}

impl Operation for GaussianNoise {
    const IN_PARTS: InParts = InParts::Rows;
    const FLOPS: u32 = 20;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        shapes.activations([self.input, self.output], shapes.columns(self.input))
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let shape = on.shape(self.input);
        let standard_deviation = T::from_f64(self.standard_deviation);
        let (input, step_noise) = (&*on.real(self.input), on.step.noise);
        on.each_row(&mut on.real_mut(self.output), shape, NORMAL_WORK, |row, output| {
            let first = row * shape.stride;
            let (input, output) = (&input[first..], &mut output[..shape.columns]);
            let noise = (step_noise, self.layer);
            gaussian_noise(input, output, shape.before + first, standard_deviation, noise);
        });
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let units = target.columns(self.input)?;
        let text = wgsl![
            "shared/noise",
            "shared/normal",
            "shared/rows",
            "shared/fold",
            "shared/elements",
            "noise/gaussian_noise"
        ];
        let standard_deviation = self.standard_deviation as f32;
        let constants = Constants { units, standard_deviation, layer: self.layer };
        Ok(Dispatch::new(self, text, constants, Grid::elements(units)))
    }
}

/// One row, whose first value is the one at `first` of the whole batch.
fn gaussian_noise<T: Real>(
    input: &[T],
    output: &mut [T],
    first: usize,
    standard_deviation: T,
    (step_noise, layer): (u64, u32),
) {
    for (i, (output, &input)) in (first..).zip(output.iter_mut().zip(input)) {
        let z: T = standard_normal(noise(step_noise, layer, i as u32));
        *output = input + standard_deviation * z;
    }
}

#[cfg(test)]
mod tests {
    use super::super::normal::share_below;
    use super::*;

    #[test]
    fn noise_has_the_moments_and_tails_of_the_standard_normal_distribution() {
        let n = 400_000usize;
        let mut output = vec![0.0f64; n];
        gaussian_noise(&vec![0.0; n], &mut output, 0, 1.0, (0x1234_5678_9abc, 3));
        let moment = |power: i32| output.iter().map(|z| z.powi(power)).sum::<f64>() / n as f64;
        // The expected moments, and five standard errors: moment 2k has variance m(4k) - m(2k)².
        for (power, expected, variance) in
            [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)]
        {
            let error = (moment(power) - expected).abs();
            let allowed = 5.0 * f64::sqrt(variance / n as f64);
            assert!(error < allowed, "moment {power} is off by {error}");
        }
        for z in [-3.5, -2.0, -1.0, 0.0, 0.5, 1.5, 2.5, 3.5] {
            let share = share_below(z);
            let counted = output.iter().filter(|&&x| x < z).count() as f64 / n as f64;
            let allowed = 5.0 * (share * (1.0 - share) / n as f64).sqrt();
            assert!((counted - share).abs() < allowed, "{counted} below {z}, expected {share}");
        }
        // Neighbours are independent: the mean of their products is 0.
        let product = output.windows(2).map(|pair| pair[0] * pair[1]).sum::<f64>() / n as f64;
        assert!(product.abs() < 5.0 / (n as f64).sqrt(), "{product}");
    }
}
