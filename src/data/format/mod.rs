//! Formats of files as sources of samples. Nothing in a file is believed before it has been read:
//! memory grows with the bytes that arrive, and what is damaged is an error with file and place.

mod array;
mod arrays;
mod csv;
mod idx;
#[cfg(feature = "images")]
mod images;
mod npy;
#[cfg(feature = "parquet")]
mod parquet;
mod safetensors;
mod scalar;

pub use array::StoredArray;
pub use arrays::StoredArrays;
pub use csv::{Csv, CsvCategories, CsvColumn, CsvFile, CsvMissing, CsvSchema, CsvType};
pub use idx::{IdxArray, read_idx, read_idx_dir, read_idx_pair, write_idx};
#[cfg(feature = "images")]
pub use images::{ImageColour, ImageDirectory};
#[cfg(feature = "parquet")]
pub use parquet::ParquetFile;
