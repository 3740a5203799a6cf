//! Tensors in safetensors files.

use std::path::Path;

use safetensors::tensor::{Dtype, Metadata};

use super::array::{Storage, StoredArray};
use super::scalar::Scalar;
use crate::data::file::PositionedFile;
use crate::error::{Error, Result};

/// Longer headers are refused, as the crate itself does.
const MAX_HEADER: u64 = 100_000_000;

impl StoredArray {
    /// Opens the tensor called `tensor` in a safetensors file of any size. Only the file's header
    /// is read.
    ///
    /// ```no_run
    /// use std::path::Path;
    ///
    /// use minibatch::data::{StoredArray, StoredArrays};
    ///
    /// # fn main() -> minibatch::Result<()> {
    /// let tensor = |name| StoredArray::safetensors(Path::new("train.safetensors"), name);
    /// let train = StoredArrays::new([("input", tensor("x")?)], [("output", tensor("y")?)])?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Data`] if it is no such file, is damaged, has no such tensor, or that is of floats
    /// of 8 bits or fewer, or complex; [`Error::Io`] if it cannot be read.
    pub fn safetensors(path: &Path, tensor: &str) -> Result<Self> {
        let file = PositionedFile::open(path)?;
        let wrong = |problem: String| Error::data(path.display().to_string(), problem);
        let read = |buffer: &mut [u8], offset| {
            file.read_exact_at(buffer, offset).map_err(Error::io("read", path))
        };
        let mut start = [0; 8];
        if file.len() < 8 {
            return Err(wrong(format!("truncated: holds {} bytes, expected 8", file.len())));
        }
        read(&mut start, 0)?;
        let header = u64::from_le_bytes(start);
        if header > MAX_HEADER || header > file.len() - 8 {
            let problem = format!(
                "is no safetensors file, or is truncated: its header claims {header} bytes, of {} \
                 in the file",
                file.len()
            );
            return Err(wrong(problem));
        }
        let mut text = vec![0; header as usize];
        read(&mut text, 8)?;
        let metadata: Metadata = serde_json::from_slice(&text).map_err(|error| Error::Data {
            place: path.display().to_string(),
            problem: format!("its header is damaged: {error}"),
            source: Some(Box::new(error)),
        })?;
        let Some(info) = metadata.info(tensor) else {
            let mut names = metadata.offset_keys();
            names.sort_unstable();
            let problem = format!("has no tensor {tensor:?}; there is {}", names.join(", "));
            return Err(wrong(problem));
        };
        let wrong =
            |problem: String| Error::data(format!("{}, array {tensor:?}", path.display()), problem);
        let scalar = match info.dtype {
            Dtype::BOOL => Scalar::Bool,
            Dtype::U8 => Scalar::U8,
            Dtype::I8 => Scalar::I8,
            Dtype::I16 => Scalar::I16,
            Dtype::U16 => Scalar::U16,
            Dtype::F16 => Scalar::F16,
            Dtype::BF16 => Scalar::Bf16,
            Dtype::I32 => Scalar::I32,
            Dtype::U32 => Scalar::U32,
            Dtype::F32 => Scalar::F32,
            Dtype::F64 => Scalar::F64,
            Dtype::I64 => Scalar::I64,
            Dtype::U64 => Scalar::U64,
            other => {
                return Err(wrong(format!(
                    "has values of type {other:?}, expected bool, integers, or floats of 16 to 64 \
                     bits"
                )));
            }
        };
        let (first, end) = (info.data_offsets.0 as u64, info.data_offsets.1 as u64);
        let bytes = info
            .shape
            .iter()
            .try_fold(scalar.size() as u64, |product, &size| product.checked_mul(size as u64));
        let start = 8 + header;
        let there = file.len() - start;
        if bytes.is_none() || bytes != end.checked_sub(first) || end > there {
            return Err(wrong(format!(
                "claims the bytes {first} to {end} for the shape {:?}, of {there} in the file",
                info.shape
            )));
        }
        if info.shape.is_empty() || info.shape.contains(&0) {
            let problem = format!(
                "has the shape {:?}; its first dimension must count samples, and \
                                   none may be 0",
                info.shape
            );
            return Err(wrong(problem));
        }
        Ok(StoredArray {
            shape: info.shape.clone(),
            file,
            member: Some(tensor.to_owned()),
            storage: Storage::Plain { offset: start + first },
            scalar,
            big_endian: false,
            idx: false,
        })
    }
}
