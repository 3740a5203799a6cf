//! The numbers that the CPU executor computes with.

use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

/// A row-major or column-major view of a matrix in a slice.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<S> {
    /// The elements, from the first one on.
    pub data: S,
    /// Elements from one row to the next.
    pub row_stride: usize,
    /// Elements from one column to the next.
    pub column_stride: usize,
}

impl<S> Matrix<S> {
    /// A row-major matrix.
    pub fn new(data: S, row_stride: usize) -> Self {
        Matrix { data, row_stride, column_stride: 1 }
    }

    /// Its transpose, a view of the same elements.
    pub fn transposed(self) -> Self {
        Matrix { data: self.data, row_stride: self.column_stride, column_stride: self.row_stride }
    }

    fn reaches(&self, rows: usize, columns: usize) -> usize {
        if rows == 0 || columns == 0 {
            return 0;
        }
        (rows - 1) * self.row_stride + (columns - 1) * self.column_stride + 1
    }
}

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
    /// False for NaN and the infinities.
    fn is_finite(self) -> bool;
    /// `c[m,n] = a[m,k] · b[k,n] + beta · c`, or without reading `c` if `beta` is 0.
    fn gemm(
        size: [usize; 3],
        a: Matrix<&[Self]>,
        b: Matrix<&[Self]>,
        beta: Self,
        c: Matrix<&mut [Self]>,
    );
}

macro_rules! real {
    ($type:ty, $gemm:path) => {
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
            fn is_finite(self) -> bool {
                self.is_finite()
            }
            fn gemm(
                [m, k, n]: [usize; 3],
                a: Matrix<&[Self]>,
                b: Matrix<&[Self]>,
                beta: Self,
                c: Matrix<&mut [Self]>,
            ) {
                assert!(
                    a.reaches(m, k) <= a.data.len()
                        && b.reaches(k, n) <= b.data.len()
                        && c.reaches(m, n) <= c.data.len(),
                    "a matrix of [{m}, {k}] · [{k}, {n}] goes beyond its buffer"
                );
                // SAFETY: the assertion above keeps every access within its slice, and `c` is
                // borrowed mutably, so it overlaps neither `a` nor `b`.
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
                        c.data.as_mut_ptr(),
                        c.row_stride as isize,
                        c.column_stride as isize,
                    );
                }
            }
        }
    };
}

real!(f32, matrixmultiply::sgemm);
real!(f64, matrixmultiply::dgemm);
