//! How numbers lie in files, and what they become.

use half::f16;

use crate::data::fields::Element;
use crate::data::samples::Values;

/// How one value is stored in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scalar {
    Bool,
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F16,
    Bf16,
    F32,
    F64,
}

/// Calls `push` with each value that `bytes` holds in little-endian order.
macro_rules! each {
    ($bytes:expr, $number:ty, $push:expr) => {
        $bytes
            .as_chunks::<{ size_of::<$number>() }>()
            .0
            .iter()
            .map(|&bytes| <$number>::from_le_bytes(bytes))
            .try_for_each($push)
    };
}

impl Scalar {
    /// Bytes of one value.
    pub(super) fn size(self) -> usize {
        match self {
            Scalar::Bool | Scalar::U8 | Scalar::I8 => 1,
            Scalar::U16 | Scalar::I16 | Scalar::F16 | Scalar::Bf16 => 2,
            Scalar::U32 | Scalar::I32 | Scalar::F32 => 4,
            Scalar::U64 | Scalar::I64 | Scalar::F64 => 8,
        }
    }

    /// True for whole numbers, which can be class indices.
    pub(super) fn is_integer(self) -> bool {
        match self {
            Scalar::Bool | Scalar::U8 | Scalar::I8 | Scalar::U16 | Scalar::I16 => true,
            Scalar::U32 | Scalar::I32 | Scalar::U64 | Scalar::I64 => true,
            Scalar::F16 | Scalar::Bf16 | Scalar::F32 | Scalar::F64 => false,
        }
    }

    /// What values become as an input: nothing that they hold is lost, but for the precision of
    /// f64.
    pub(super) fn element(self) -> Element {
        match self {
            Scalar::Bool | Scalar::U8 => Element::U8,
            Scalar::I8 | Scalar::U16 | Scalar::I16 => Element::U32,
            Scalar::U32 | Scalar::I32 | Scalar::U64 | Scalar::I64 => Element::U32,
            Scalar::F16 => Element::F16,
            Scalar::Bf16 | Scalar::F32 | Scalar::F64 => Element::F32,
        }
    }

    /// Appends the values that `bytes` holds in little-endian order, each as a value of `into`.
    /// Integers must be less than `limit`.
    ///
    /// # Errors
    /// What is wrong with the first value that does not fit, and how many come before it.
    pub(super) fn append(
        self,
        bytes: &[u8],
        limit: u64,
        into: &mut Values,
    ) -> Result<(), (usize, String)> {
        let before = len(into);
        self.convert(bytes, limit, into).map_err(|problem| (len(into) - before, problem))
    }

    fn convert(self, bytes: &[u8], limit: u64, into: &mut Values) -> Result<(), String> {
        match into {
            Values::U8(values) => {
                values.extend_from_slice(bytes);
                Ok(())
            }
            Values::U32(values) => self.integers(bytes, limit, values),
            Values::F16(values) => {
                each!(bytes, f16, |value| { finite(value.to_f32()).map(|_| values.push(value)) })
            }
            Values::F32(values) => self.floats(bytes, values),
            Values::Sparse(_) => Err("the column is sparse, and the file is not".into()),
        }
    }

    fn integers(self, bytes: &[u8], limit: u64, values: &mut Vec<u32>) -> Result<(), String> {
        let mut push = |value: Option<u64>, shown: &dyn std::fmt::Display| match value
            .filter(|&value| value < limit)
            .and_then(|value| u32::try_from(value).ok())
        {
            Some(value) => {
                values.push(value);
                Ok(())
            }
            None => {
                Err(format!("has the value {shown}, expected at least 0 and less than {limit}"))
            }
        };
        match self {
            Scalar::Bool | Scalar::U8 => each!(bytes, u8, |x| push(Some(x.into()), &x)),
            Scalar::U16 => each!(bytes, u16, |x| push(Some(x.into()), &x)),
            Scalar::U32 => each!(bytes, u32, |x| push(Some(x.into()), &x)),
            Scalar::U64 => each!(bytes, u64, |x| push(Some(x), &x)),
            Scalar::I8 => each!(bytes, i8, |x| push(u64::try_from(x).ok(), &x)),
            Scalar::I16 => each!(bytes, i16, |x| push(u64::try_from(x).ok(), &x)),
            Scalar::I32 => each!(bytes, i32, |x| push(u64::try_from(x).ok(), &x)),
            Scalar::I64 => each!(bytes, i64, |x| push(u64::try_from(x).ok(), &x)),
            Scalar::F16 | Scalar::Bf16 | Scalar::F32 | Scalar::F64 => {
                Err("has floats, expected integers".into())
            }
        }
    }

    fn floats(self, bytes: &[u8], values: &mut Vec<f32>) -> Result<(), String> {
        let mut push = |value: f32| finite(value).map(|value| values.push(value));
        match self {
            Scalar::Bool | Scalar::U8 => each!(bytes, u8, |x| push(x.into())),
            Scalar::I8 => each!(bytes, i8, |x| push(x.into())),
            Scalar::U16 => each!(bytes, u16, |x| push(x.into())),
            Scalar::I16 => each!(bytes, i16, |x| push(x.into())),
            Scalar::U32 => each!(bytes, u32, |x| push(x as f32)),
            Scalar::I32 => each!(bytes, i32, |x| push(x as f32)),
            Scalar::U64 => each!(bytes, u64, |x| push(x as f32)),
            Scalar::I64 => each!(bytes, i64, |x| push(x as f32)),
            Scalar::F16 => each!(bytes, f16, |x| push(x.to_f32())),
            Scalar::Bf16 => each!(bytes, half::bf16, |x| push(x.to_f32())),
            Scalar::F32 => each!(bytes, f32, push),
            Scalar::F64 => each!(bytes, f64, |x| push(x as f32)),
        }
    }
}

/// A value that a model can compute with. No sample may have another: the loss would be NaN from
/// there on.
pub(super) fn finite(value: f32) -> Result<f32, String> {
    match value.is_finite() {
        true => Ok(value),
        false => {
            Err(format!("has the value {value}, expected a finite number that an f32 can hold"))
        }
    }
}

fn len(values: &Values) -> usize {
    match values {
        Values::U8(values) => values.len(),
        Values::U32(values) => values.len(),
        Values::F16(values) => values.len(),
        Values::F32(values) => values.len(),
        Values::Sparse(rows) => rows.len(),
    }
}
