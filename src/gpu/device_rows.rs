//! Rows that lie in a buffer of the host's.

use wgpu::{BufferUsages, Limits};

use super::device_element::DeviceElement;
use super::region::DeviceRegion;
use crate::error::{Error, Result};
use crate::program::{Buffer, Element};

/// Rows of values in a [`wgpu::Buffer`] of the host's, `[rows, values]`: what a render or simulation
/// pass has written, say. How many values a row has is told by the model that they are for.
///
/// The rows may be part of something larger: they begin [`offset`](Self::offset) bytes into the
/// buffer, and are [`stride`](Self::stride) bytes apart. Both are multiples of the bytes of a value,
/// and 0 and the bytes of a row unless said. A stride of less than a row lets rows overlap, as the
/// windows of a series do.
///
/// The buffer needs the usage `STORAGE`. What the model makes of the values is its own affair:
///
/// | values | become |
/// |---|---|
/// | `F32`, `F16` | numbers |
/// | `U8` | the bytes of an input of [pixels](crate::Input::pixels); numbers, or the indices of classes |
/// | `U32` | the indices of classes; or numbers, which an f32 holds exactly below 2^24 |
///
/// No feature of the device is needed for any of them.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceRows {
    pub(super) buffer: wgpu::Buffer,
    pub(super) rows: u32,
    pub(super) offset: u64,
    pub(super) stride: Option<u64>,
    pub(super) element: DeviceElement,
}

/// The bytes of the host's buffer that a kernel reads, and what lies where in them.
pub(super) struct Region {
    /// First byte that is bound, a multiple of what the device asks for.
    pub start: u64,
    /// Bytes that are bound, a multiple of four.
    pub size: u64,
    /// The first value's first byte, from the start on.
    pub first_byte: u32,
    /// From one row to the next.
    pub row_bytes: u32,
}

impl From<&DeviceRegion> for DeviceRows {
    /// The rows of a value of a model: to train one model on what another one has predicted.
    fn from(region: &DeviceRegion) -> Self {
        let rows = u32::try_from(region.rows).unwrap_or(u32::MAX);
        DeviceRows::new(&region.buffer, rows)
            .element(region.element)
            .offset(region.offset)
            .stride(region.stride as u64 * region.element.bytes())
    }
}

impl DeviceRows {
    /// So many rows of 32-bit floats from the beginning of `buffer`, without gaps.
    pub fn new(buffer: &wgpu::Buffer, rows: u32) -> Self {
        DeviceRows {
            buffer: buffer.clone(),
            rows,
            offset: 0,
            stride: None,
            element: DeviceElement::F32,
        }
    }

    /// The byte at which the first row begins.
    #[must_use]
    pub fn offset(self, bytes: u64) -> Self {
        DeviceRows { offset: bytes, ..self }
    }

    /// Bytes from the beginning of one row to that of the next.
    #[must_use]
    pub fn stride(self, bytes: u64) -> Self {
        DeviceRows { stride: Some(bytes), ..self }
    }

    /// How the values are stored.
    #[must_use]
    pub fn element(self, element: DeviceElement) -> Self {
        DeviceRows { element, ..self }
    }

    /// Number of rows.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// Where rows of `values` values, called `name` in what is said of them, lie in the buffer.
    ///
    /// # Errors
    /// [`Error::Argument`] with the numbers if there is no row, the buffer cannot be bound, lacks
    /// bytes, or what is bound of it is beyond the device's limits; or if an offset is none that its
    /// values may have.
    pub(super) fn region(&self, values: usize, name: &str, limits: &Limits) -> Result<Region> {
        let DeviceRows { buffer, rows, offset, element, .. } = self;
        let (rows, offset) = (u64::from(*rows), *offset);
        let refused =
            |problem: String| Err(Error::argument("rows", format!("of {name} {problem}")));
        if rows == 0 {
            return refused("are 0; give at least 1".into());
        }
        if !buffer.usage().contains(BufferUsages::STORAGE) {
            return refused(
                "lie in a buffer without the usage STORAGE; create it with \
                 BufferUsages::STORAGE"
                    .into(),
            );
        }
        let row = (values as u64).saturating_mul(element.bytes());
        let stride = self.stride.unwrap_or(row);
        for (what, bytes) in [("offset", offset), ("stride", stride)] {
            if !bytes.is_multiple_of(element.bytes()) {
                let value = element.bytes();
                return refused(format!(
                    "have {what} {bytes}; give a multiple of {value}, the bytes of a value"
                ));
            }
        }
        let end = (rows - 1)
            .checked_mul(stride)
            .and_then(|bytes| bytes.checked_add(row)?.checked_add(offset));
        let end = end.and_then(|end| end.checked_next_multiple_of(4));
        let Some(end) = end.filter(|&end| end <= buffer.size()) else {
            let size = buffer.size();
            return refused(format!(
                "are {rows} of {row} bytes, {stride} bytes apart from byte {offset} on; the buffer \
                 has {size} bytes, of which words of 4 are read"
            ));
        };
        let aligned = u64::from(limits.min_storage_buffer_offset_alignment.max(4));
        let start = offset - offset % aligned;
        let (size, most) = (end - start, limits.max_storage_buffer_binding_size);
        match (u32::try_from(offset - start), u32::try_from(stride), u32::try_from(size)) {
            (Ok(first_byte), Ok(row_bytes), Ok(_)) if size <= most => {
                Ok(Region { start, size, first_byte, row_bytes })
            }
            _ => refused(format!(
                "take {size} bytes; this device binds at most {most}: give fewer rows"
            )),
        }
    }

    /// Whether such values can become those of `buffer`.
    ///
    /// # Errors
    /// [`Error::Shape`] if they cannot.
    pub(super) fn check_element(&self, buffer: &Buffer) -> Result<()> {
        use DeviceElement::{F16, F32, U8, U32};
        let (fits, expected) = match (buffer.element, self.element) {
            (Element::Real, F32 | F16 | U8 | U32) => (true, ""),
            (Element::U8, element) => (element == U8, "U8, the bytes of pixels"),
            (Element::U32, element) => {
                (matches!(element, U32 | U8), "U32 or U8, the indices of classes")
            }
            (Element::Sparse { .. }, _) => (false, "rows of the host's, as it is sparse"),
        };
        if fits {
            return Ok(());
        }
        Err(Error::Shape {
            what: format!("the values in the buffer for {} have another type", buffer.name),
            actual: format!("{:?}", self.element),
            expected: expected.into(),
        })
    }
}
