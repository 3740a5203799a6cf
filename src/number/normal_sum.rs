//! A sum that has the same bits on devices that flush subnormal numbers to zero and on those that do not.

use super::Real;

/// `n(n(a) + n(b))`, where `n` puts +0 in place of every subnormal number and of -0
/// ([`Real::normal_or_zero`]).
///
/// WGSL lets a device take subnormal operands and results for zero, of either sign, or keep them. Here both
/// kinds of device add the same numbers and return the same bits: sums of normal numbers that are
/// smaller than the least normal one are exact, so they are zero on both. What is NaN stays NaN, of which
/// nothing more is promised.
#[inline]
#[must_use]
pub fn add_normal<T: Real>(a: T, b: T) -> T {
    (a.normal_or_zero() + b.normal_or_zero()).normal_or_zero()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: f32 = f32::MIN_POSITIVE;

    fn check(a: f32, b: f32, sum: f32) {
        for (a, b) in [(a, b), (b, a)] {
            assert_eq!(add_normal(a, b).to_bits(), sum.to_bits(), "{a:e} + {b:e} is not {sum:e}");
        }
    }

    #[test]
    fn normal_numbers_are_added_as_always() {
        check(1.0, 2.0, 3.0);
        check(-0.1, 0.3, -0.1f32 + 0.3);
        check(1.0, f32::EPSILON / 2.0, 1.0);
        check(LEAST, LEAST, 2.0 * LEAST);
        check(2.0 * LEAST, -LEAST, LEAST);
        check(f32::MAX, f32::MAX, f32::INFINITY);
        assert_eq!(add_normal(0.1f64, 0.2), 0.1 + 0.2);
    }

    #[test]
    fn subnormal_numbers_are_zero_before_and_after() {
        let largest = LEAST.next_down();
        let smallest = f32::from_bits(1);
        for small in [largest, smallest, 0.5 * LEAST] {
            for sign in [1.0, -1.0] {
                check(sign * small, 0.0, 0.0);
                check(sign * small, -0.0, 0.0);
                check(sign * small, sign * small, 0.0);
                check(sign * small, LEAST, LEAST);
                check(sign * small, -LEAST, -LEAST);
            }
        }
        // The result alone is subnormal.
        check(1.5 * LEAST, -LEAST, 0.0);
        check(-1.5 * LEAST, LEAST, 0.0);
        check(LEAST.next_up(), -LEAST, 0.0);
        let least = f64::MIN_POSITIVE;
        assert_eq!(add_normal(1.5 * least, -least), 0.0);
        assert_eq!(add_normal(0.5 * least, 0.5 * least), 0.0);
        // In f64 what is subnormal in f32 is a number as any other.
        assert_eq!(add_normal(f64::from(smallest), 0.0), f64::from(smallest));
    }

    #[test]
    fn a_zero_has_no_sign() {
        check(0.0, -0.0, 0.0);
        check(-0.0, -0.0, 0.0);
        check(1.0, -1.0, 0.0);
        assert_eq!(add_normal(-0.0f64, -0.0).to_bits(), 0);
    }

    #[test]
    fn infinities_and_nan_are_kept() {
        for infinity in [f32::INFINITY, f32::NEG_INFINITY] {
            check(infinity, 1.0, infinity);
            check(infinity, f32::from_bits(1), infinity);
            check(infinity, infinity, infinity);
            assert!(add_normal(infinity, -infinity).is_nan());
        }
        for nan in [0x7fc0_0000, 0xffc0_0000, 0x7f80_0001, 0xffff_ffff] {
            for other in [0.0, -0.0, 1.0, f32::from_bits(1), f32::INFINITY, f32::NAN] {
                let nan = f32::from_bits(nan);
                assert!(add_normal(nan, other).is_nan() && add_normal(other, nan).is_nan());
            }
        }
    }
}
