//! The numbers that the CPU executor computes with.

use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

use super::matrix::{Block, Matrix};

/// f32 or f64.
pub trait Real:
    Copy
    + Debug
    + Default
    + PartialOrd
    + Add<Output = Self>
    + AddAssign
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + Send
    + Sync
    + 'static
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// The nearest number to `value`.
    fn from_f64(value: f64) -> Self;
    /// From a byte, exactly.
    fn from_u8(value: u8) -> Self;
    /// From an f32, exactly.
    fn from_f32(value: f32) -> Self;
    /// To f64, exactly.
    fn to_f64(self) -> f64;
    /// Square root.
    fn sqrt(self) -> Self;
    /// e to the power of it.
    fn exp(self) -> Self;
    /// Natural logarithm.
    fn ln(self) -> Self;
    /// Hyperbolic tangent.
    fn tanh(self) -> Self;
    /// The error function.
    fn erf(self) -> Self;
    /// False for NaN and the infinities.
    fn is_finite(self) -> bool;
    /// 0 in place of what is too small to matter in training: 2^-102 (2e-31) in f32, 2^-970 in
    /// f64. Moments and gradients that decay would become subnormal numbers otherwise, with which
    /// a CPU is many times slower.
    fn flushed(self) -> Self;
    /// The square, flushed; nothing subnormal is computed on the way.
    fn flushed_square(self) -> Self;
    /// +0 in place of what has no exponent bits: subnormal numbers and both zeros.
    fn normal_or_zero(self) -> Self;
    /// The nearest number that an f16 can hold, the even one of two; from 65520 on infinity.
    fn rounded_to_half(self) -> Self;
    /// `c[m,n] = a[m,k] · b[k,n] + beta · c`, or without reading `c` if `beta` is 0. Each element of
    /// `c` is added up in an order that depends on `k` alone, so that a product that is cut into
    /// blocks has the same bits.
    fn gemm(
        size: [usize; 3],
        a: Matrix<&[Self]>,
        b: Matrix<&[Self]>,
        beta: Self,
        c: &mut Block<'_, Self>,
    );
}

macro_rules! real {
    ($type:ty, $bits:ty, $gemm:path, $erf:path, $root:expr) => {
        impl Real for $type {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            fn from_f64(value: f64) -> Self {
                value as $type
            }
            fn from_u8(value: u8) -> Self {
                <$type>::from(value)
            }
            fn from_f32(value: f32) -> Self {
                <$type>::from(value)
            }
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            fn sqrt(self) -> Self {
                self.sqrt()
            }
            fn exp(self) -> Self {
                self.exp()
            }
            fn ln(self) -> Self {
                self.ln()
            }
            fn tanh(self) -> Self {
                self.tanh()
            }
            fn erf(self) -> Self {
                $erf(self)
            }
            fn is_finite(self) -> bool {
                self.is_finite()
            }
            fn flushed(self) -> Self {
                const LEAST: $type = $root * $root;
                // NaN stays.
                if self.abs() < LEAST { 0.0 } else { self }
            }
            fn flushed_square(self) -> Self {
                let kept = if self.abs() < $root { 0.0 } else { self };
                kept * kept
            }
            fn normal_or_zero(self) -> Self {
                const EXPONENT: $bits = <$type>::INFINITY.to_bits();
                // By its bits, which no CPU flushes, and which takes no longer for subnormal numbers.
                if self.to_bits() & EXPONENT == 0 { 0.0 } else { self }
            }
            fn rounded_to_half(self) -> Self {
                // Digits after the point, of this type and of an f16, and the bias of the exponent.
                const DIGITS: u32 = <$type>::MANTISSA_DIGITS - 1;
                const LOST: $bits = DIGITS as $bits - 10;
                const BIAS: $bits = <$type>::MAX_EXP as $bits - 1;
                if self.is_nan() {
                    return self;
                }
                if self.abs() >= 65520.0 {
                    return <$type>::INFINITY.copysign(self);
                }
                // In a sum with 1.5 times this power of two, the digits are lost that an f16 has
                // not: ten stay, or fewer below its least normal number, 2^-14.
                let exponent = ((self.to_bits() << 1) >> (DIGITS + 1)).max(BIAS - 14);
                let half: $bits = 1 << (DIGITS - 1);
                let large = <$type>::from_bits(((exponent + LOST) << DIGITS) | half);
                // A zero keeps its sign.
                ((self + large) - large).copysign(self)
            }
            fn gemm(
                [m, k, n]: [usize; 3],
                a: Matrix<&[Self]>,
                b: Matrix<&[Self]>,
                beta: Self,
                c: &mut Block<'_, Self>,
            ) {
                assert!(
                    a.reaches(m, k) && b.reaches(k, n) && c.reaches(m, n),
                    "a matrix of [{m}, {k}] · [{k}, {n}] goes beyond its buffer"
                );
                // SAFETY: the assertion above keeps every access within its slice or block, and a
                // block is a mutable borrow, so it overlaps neither `a` nor `b`.
                unsafe {
                    $gemm(
                        m,
                        k,
                        n,
                        1.0,
                        a.data.as_ptr(),
                        a.row_stride as isize,
                        a.column_stride as isize,
                        b.data.as_ptr(),
                        b.row_stride as isize,
                        b.column_stride as isize,
                        beta,
                        c.as_mut_ptr(),
                        c.stride() as isize,
                        1,
                    );
                }
            }
        }
    };
}

/// Root of the least number that is not flushed: 2^-51 and 2^-485.
const ROOT_F32: f32 = f32::from_bits((127 - 51) << 23);
const ROOT_F64: f64 = f64::from_bits((1023 - 485) << 52);

real!(f32, u32, matrixmultiply::sgemm, libm::erff, ROOT_F32);
real!(f64, u64, matrixmultiply::dgemm, libm::erf, ROOT_F64);

#[cfg(test)]
mod tests {
    use super::*;

    /// Every f16, what lies in the middle between two of them, and what lies beside that.
    #[test]
    fn the_nearest_half_is_found_by_both_types() {
        let halves = (0..0x7c00u16).map(|bits| half::f16::from_bits(bits).to_f64());
        let halves: Vec<f64> = halves.chain([65536.0]).collect();
        let value = |x: f64| if x == 65536.0 { f64::INFINITY } else { x };
        for (place, pair) in halves.windows(2).enumerate() {
            let middle = (pair[0] + pair[1]) / 2.0;
            let even = value(pair[place % 2]);
            let cases = [
                (pair[0], pair[0]),
                (middle, even),
                (f64::from((middle as f32).next_down()), pair[0]),
                (f64::from((middle as f32).next_up()), value(pair[1])),
            ];
            for (x, nearest) in cases {
                for sign in [1.0, -1.0] {
                    assert_eq!((sign * x).rounded_to_half(), sign * nearest, "{x:e}");
                    let single = (sign * x) as f32;
                    assert_eq!(single.rounded_to_half(), (sign * nearest) as f32, "{x:e}");
                }
            }
            assert_eq!(middle.next_down().rounded_to_half(), pair[0], "{middle:e}");
            assert_eq!(middle.next_up().rounded_to_half(), value(pair[1]), "{middle:e}");
        }
        assert!(f32::NAN.rounded_to_half().is_nan() && f64::NAN.rounded_to_half().is_nan());
        assert_eq!(f32::MIN.rounded_to_half(), f32::NEG_INFINITY);
        assert_eq!(f64::MAX.rounded_to_half(), f64::INFINITY);
        assert!((-0.0f32).rounded_to_half().is_sign_negative());
    }

    #[test]
    fn what_is_negligible_becomes_zero_and_nothing_subnormal_is_left() {
        let least = ROOT_F32 * ROOT_F32;
        assert!((f32::MIN_POSITIVE / f32::EPSILON..1e-30).contains(&least), "{least:e}");
        for sign in [1.0, -1.0] {
            assert_eq!((sign * least).flushed(), sign * least);
            assert_eq!((sign * least * 0.99).flushed(), 0.0);
            assert_eq!((sign * ROOT_F32).flushed_square(), least);
            assert_eq!((sign * ROOT_F32 * 0.99).flushed_square(), 0.0);
        }
        assert_eq!([3f32.flushed(), 3f32.flushed_square()], [3.0, 9.0]);
        assert!(f32::NAN.flushed().is_nan() && f32::NAN.flushed_square().is_nan());
        assert_eq!([1e-100f64.flushed(), 1e-100.flushed_square()], [1e-100, 1e-200]);
        assert_eq!(1e-300f64.flushed(), 0.0);
    }
}
