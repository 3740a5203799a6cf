//! Numbers of the standard normal distribution: `shared/normal.wgsl` on the CPU.

use crate::number::Real;

/// Coefficients of Giles' polynomial in the centre, of `-log(1 - x²) - 2.5`, highest power first.
pub(super) const CENTRE: [f32; 9] = [
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
/// Those of his polynomial in the tails, of `sqrt(-log(1 - x²)) - 3`.
pub(super) const TAILS: [f32; 9] = [
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

/// A number of the standard normal distribution from random bits: `√2 · erfinv(x)` of a uniform `x`
/// in `(-1, 1)`. The inverse of the error function is Giles' ("Approximating the erfinv function",
/// 2010, single precision).
pub(super) fn standard_normal<T: Real>(bits: u32) -> T {
    let (x, w): (T, T) = uniform(bits);
    let p = if w < T::from_f64(BRANCH) {
        polynomial(&CENTRE, w - T::from_f64(2.5))
    } else {
        polynomial(&TAILS, w.sqrt() - T::from_f64(3.0))
    };
    T::from_f64(std::f64::consts::SQRT_2) * p * x
}

/// Above this value of `-log(1 - x²)`, the polynomial of the tails holds.
pub(super) const BRANCH: f64 = 5.0;

/// A uniform `x` in `(-1, 1)` from random bits, and `-log(1 - x²)`. `x` is an odd multiple of 2^-23:
/// it is exact in f32, and so are `1 + x` and `1 - x`.
pub(super) fn uniform<T: Real>(bits: u32) -> (T, T) {
    const UNIT: f64 = 1.0 / 8_388_608.0;
    let odd = f64::from((bits >> 9) * 2 + 1);
    let exact = |value: f64| T::from_f64(value * UNIT);
    let [x, above, below] = [odd - 8_388_608.0, odd, 16_777_216.0 - odd].map(exact);
    (x, -(above * below).ln())
}

fn polynomial<T: Real>(coefficients: &[f32], c: T) -> T {
    coefficients.iter().fold(T::ZERO, |p, &coefficient| p * c + T::from_f32(coefficient))
}

/// Φ(z), the share of the normal distribution that lies below `z`.
#[cfg(test)]
pub(super) fn share_below(z: f64) -> f64 {
    0.5 * libm::erfc(-z * std::f64::consts::FRAC_1_SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inverse_of_the_normal_distribution_undoes_it_from_tail_to_tail() {
        let most = (1u32 << 23) - 1;
        let places = (0..1000).chain((0..most).step_by(997)).chain(most - 1000..=most);
        for place in places {
            let z: f64 = standard_normal(place << 9);
            let uniform = (f64::from(place) + 0.5) / f64::from(1u32 << 23);
            // Giles' polynomials are off by 1.3e-7 of z at most; the density turns that into an error
            // of the share.
            let density = (-0.5 * z * z).exp() * 0.398_942_280_401_432_7;
            let error = (share_below(z) - uniform).abs();
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
                // Of the 32 bits only 23 count, so that the share is that coarse.
                let cut = 2f64.powi(-23) / ((-0.5 * quantile * quantile).exp() * 0.39);
                assert!((z - quantile).abs() < cut + 1e-6, "{share}: {z}, expected {quantile}");
            }
        }
    }
}
