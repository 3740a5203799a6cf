//! CPU twin of `gaussian_noise.wgsl` and `shared/normal.wgsl`.

use crate::number::Real;
use crate::random::noise;

/// Giles' polynomials of `-log(1 - x²) - 2.5` and, in the tails, of its root less 3; the first
/// coefficient is that of the highest power.
pub(crate) const CENTRE: [f32; 9] = [
    2.810_226_4e-8,
    3.432_739_4e-7,
    -3.523_387_7e-6,
    -4.391_506_5e-6,
    2.185_808_7e-4,
    -1.253_725e-3,
    -4.177_681_6e-3,
    2.466_407_2e-1,
    1.501_409_4,
];
pub(crate) const TAILS: [f32; 9] = [
    -2.002_142_6e-4,
    1.009_505_6e-4,
    1.349_343_2e-3,
    -3.673_428_4e-3,
    5.739_507_7e-3,
    -7.622_461_3e-3,
    9.438_870_5e-3,
    1.001_674,
    2.832_976_8,
];

/// A number of the standard normal distribution from random bits: `√2 · erfinv(x)` of a uniform x
/// in `(-1, 1)`, with erfinv by Giles' polynomials ("Approximating the erfinv function", 2010,
/// single precision).
pub fn standard_normal<T: Real>(bits: u32) -> T {
    let (x, w): (T, T) = uniform(bits);
    let p = if w < T::from_f64(BRANCH) {
        polynomial(&CENTRE, w - T::from_f64(2.5))
    } else {
        polynomial(&TAILS, w.sqrt() - T::from_f64(3.0))
    };
    T::from_f64(std::f64::consts::SQRT_2) * p * x
}

/// Where the tails begin, in `-log(1 - x²)`.
pub(crate) const BRANCH: f64 = 5.0;

/// `x` and `-log(1 - x²)`: an odd multiple of 2^-23, which is exact in f32, as are `1 + x` and
/// `1 - x`.
pub(crate) fn uniform<T: Real>(bits: u32) -> (T, T) {
    const UNIT: f64 = 1.0 / 8_388_608.0;
    let odd = f64::from((bits >> 9) * 2 + 1);
    let exact = |value: f64| T::from_f64(value * UNIT);
    let [x, above, below] = [odd - 8_388_608.0, odd, 16_777_216.0 - odd].map(exact);
    (x, -(above * below).ln())
}

fn polynomial<T: Real>(coefficients: &[f32], c: T) -> T {
    coefficients.iter().fold(T::ZERO, |p, &coefficient| p * c + T::from_f32(coefficient))
}

/// `output = input + standard_deviation · z` for each of the rows of `units` values, `stride`
/// apart, with the `z` of the step's noise, the layer and the place.
pub fn gaussian_noise<T: Real>(
    input: &[T],
    output: &mut [T],
    [rows, units, stride]: [usize; 3],
    standard_deviation: T,
    (step_noise, layer): (u64, u32),
) {
    for row in 0..rows {
        for i in row * stride..row * stride + units {
            let z: T = standard_normal(noise(step_noise, layer, i as u32));
            output[i] = input[i] + standard_deviation * z;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Φ(z), the normal distribution.
    fn below(z: f64) -> f64 {
        0.5 * libm::erfc(-z * std::f64::consts::FRAC_1_SQRT_2)
    }

    #[test]
    fn the_inverse_of_the_normal_distribution_undoes_it_from_tail_to_tail() {
        let most = (1u32 << 23) - 1;
        let places = (0..1000).chain((0..most).step_by(997)).chain(most - 1000..=most);
        for place in places {
            let z: f64 = standard_normal(place << 9);
            let uniform = (f64::from(place) + 0.5) / f64::from(1u32 << 23);
            // Giles' polynomials are off by 1.3e-7 of z at most; the density tells by how much of
            // the distribution.
            let density = (-0.5 * z * z).exp() * 0.398_942_280_401_432_7;
            let error = (below(z) - uniform).abs();
            assert!(error <= 1.4e-7 * z.abs() * density, "{place}: Φ({z}) is off by {error:e}");
        }
    }

    /// Quantiles of the standard normal distribution from tables.
    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (share, quantile) in [
            (0.5, 0.0),
            (0.75, 0.674_489_750_196_081_7),
            (0.95, 1.644_853_626_951_472_7),
            (0.975, 1.959_963_984_540_054_2),
            (0.999, 3.090_232_306_167_813_5),
            (1e-6, -4.753_424_308_822_899),
        ] {
            let bits = (share * 4_294_967_296.0) as u32;
            for z in [standard_normal(bits), f64::from(standard_normal::<f32>(bits))] {
                // Bits are cut to 23, and the share with them.
                let cut = 2f64.powi(-23) / ((-0.5 * quantile * quantile).exp() * 0.39);
                assert!((z - quantile).abs() < cut + 1e-6, "{share}: {z}, expected {quantile}");
            }
        }
    }

    #[test]
    fn noise_has_the_moments_and_tails_of_the_standard_normal_distribution() {
        let n = 400_000usize;
        let mut output = vec![0.0f64; n];
        gaussian_noise(&vec![0.0; n], &mut output, [n / 8, 8, 8], 1.0, (0x1234_5678_9abc, 3));
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
            let share = below(z);
            let counted = output.iter().filter(|&&x| x < z).count() as f64 / n as f64;
            let allowed = 5.0 * (share * (1.0 - share) / n as f64).sqrt();
            assert!((counted - share).abs() < allowed, "{counted} below {z}, expected {share}");
        }
        // Neighbours have nothing to do with each other.
        let product = output.windows(2).map(|pair| pair[0] * pair[1]).sum::<f64>() / n as f64;
        assert!(product.abs() < 5.0 / (n as f64).sqrt(), "{product}");
    }
}
