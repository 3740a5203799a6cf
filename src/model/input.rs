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
    /// Floats of which only those that are not 0 are stored, each with its column: words counted in
    /// a text. Only a [`Dense`](super::Dense) layer reads them, at a cost that goes by how many
    /// there are.
    Sparse {
        /// How many of them a sample has at most, as memory is kept for so many.
        most: usize,
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

    /// Sparse floats: `width` of them a sample, of which at most `most` are not 0. The data has them
    /// as [`Features::Sparse`](crate::Features::Sparse).
    ///
    /// ```
    /// use minibatch::data::{SparseMatrix, SparseRows};
    /// use minibatch::model::Input;
    /// use minibatch::{Activation, Adam, Cpu, Dataset, Features, Fit, Loss, Sequential};
    ///
    /// # fn main() -> minibatch::Result<()> {
    /// let mut rows = SparseRows::default();
    /// rows.push(&[3, 17_204], &[1.0, 0.5])?;
    /// rows.push(&[4], &[2.0])?;
    /// let words = Features::Sparse(SparseMatrix::new(20_000, rows)?);
    /// let data = Dataset::new(words, &[20_000], vec![0, 1])?;
    /// let mut model = Sequential::new(Input::sparse(20_000, 256))
    ///     .dense(16, Activation::Relu)
    ///     .dense(2, Activation::Softmax)
    ///     .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [])
    ///     .build(&Cpu::new())?;
    /// model.fit(&data, Fit::new().epochs(2))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn sparse(width: usize, most: usize) -> Self {
        Input { shape: vec![width], values: InputType::Sparse { most } }
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
