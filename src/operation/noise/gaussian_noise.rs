//! Noise of the normal distribution.

use bytemuck::{Pod, Zeroable};

use super::normal::standard_normal;
use crate::operation::prelude::*;
use crate::operation::run::RowShape;
use crate::random::noise;

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
        gaussian_noise(
            &on.real(self.input),
            &mut on.real_mut(self.output),
            on.shape(self.input),
            T::from_f64(self.standard_deviation),
            (on.step.noise, self.layer),
        );
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

fn gaussian_noise<T: Real>(
    input: &[T],
    output: &mut [T],
    shape: RowShape,
    standard_deviation: T,
    (step_noise, layer): (u64, u32),
) {
    for row in 0..shape.rows {
        let first = row * shape.stride;
        for i in first..first + shape.columns {
            let z: T = standard_normal(noise(step_noise, layer, (shape.before + i) as u32));
            output[i] = input[i] + standard_deviation * z;
        }
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
        let shape = RowShape { rows: n / 8, columns: 8, stride: 8, before: 0 };
        gaussian_noise(&vec![0.0; n], &mut output, shape, 1.0, (0x1234_5678_9abc, 3));
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
