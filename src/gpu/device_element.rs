//! How numbers are stored in a buffer on the device.

use crate::program::{Buffer, Element, Reals};

/// The type of the numbers in a buffer on the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeviceElement {
    /// Four bytes, IEEE 754 binary32.
    F32,
    /// Two bytes, IEEE 754 binary16.
    F16,
    /// An unsigned byte, four of them to a word of WGSL, the first in the lowest bits.
    U8,
    /// Four bytes, an unsigned integer.
    U32,
}

impl DeviceElement {
    /// Bytes of one number.
    #[must_use]
    pub fn bytes(self) -> u64 {
        match self {
            DeviceElement::F32 | DeviceElement::U32 => 4,
            DeviceElement::F16 => 2,
            DeviceElement::U8 => 1,
        }
    }

    /// How the program's `buffer` is stored.
    pub(super) fn of(buffer: &Buffer) -> Self {
        match (buffer.element, buffer.reals) {
            (Element::Real, Reals::Full) => DeviceElement::F32,
            (Element::Real, Reals::Half) => DeviceElement::F16,
            (Element::U8, _) => DeviceElement::U8,
            (Element::U32 | Element::Sparse { .. }, _) => DeviceElement::U32,
        }
    }
}
