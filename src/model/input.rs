//! What goes into a model.

use serde::{Deserialize, Serialize};

/// What one sample consists of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// Shape of one sample; it is flattened row by row.
    pub shape: Vec<usize>,
    /// Type of its values.
    #[serde(flatten)]
    pub values: InputType,
}

/// The type of a sample's values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum InputType {
    /// Floats, used as they are.
    F32,
    /// Bytes, each multiplied by `scale` on the device.
    U8 {
        /// 1/255 for pixels.
        scale: f64,
    },
}

impl Input {
    /// Floats, `shape` a sample.
    pub fn floats(shape: &[usize]) -> Self {
        Input { shape: shape.to_vec(), values: InputType::F32 }
    }

    /// Bytes 0-255 that become 0-1, `shape` a sample.
    pub fn pixels(shape: &[usize]) -> Self {
        Input { shape: shape.to_vec(), values: InputType::U8 { scale: 1.0 / 255.0 } }
    }

    /// Values in one sample; `None` if the product overflows.
    pub fn width(&self) -> Option<usize> {
        self.shape.iter().try_fold(1usize, |product, &d| product.checked_mul(d))
    }
}

impl From<usize> for Input {
    fn from(width: usize) -> Self {
        Input::floats(&[width])
    }
}
