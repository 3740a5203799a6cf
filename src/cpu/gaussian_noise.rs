//! CPU twin of `gaussian_noise.wgsl` and `shared/normal.wgsl`.

use super::real::Real;
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
    1.001_674_1,
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
