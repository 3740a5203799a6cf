//! Where batches come from: sources of samples and their adaptors, formats, and the order in which
//! an epoch visits the samples. Knows no model and no GPU.

mod adaptor;
mod batch;
mod column;
mod dataset;
mod delimited;
mod digits;
mod fields;
mod file;
mod fingerprint;
mod format;
mod order;
mod permutation;
mod row_index;
mod samples;
mod source;
mod sparse;
pub mod text;

pub use batch::{Batch, Sample};
pub use column::{Features, InputColumn, TargetColumn, Targets};
pub(crate) use dataset::class_of;
pub use dataset::{Dataset, TrainTest};
pub use digits::{synthetic_digits, synthetic_digits_split};
pub use fields::{Element, Field, Fields, Part};
pub(crate) use fingerprint::fingerprint;
#[cfg(feature = "parquet")]
pub use format::ParquetFile;
pub use format::{
    Csv, CsvCategories, CsvColumn, CsvFile, CsvMissing, CsvSchema, CsvType, IdxArray, StoredArray,
    StoredArrays, read_idx, read_idx_dir, read_idx_pair, write_idx,
};
#[cfg(feature = "images")]
pub use format::{ImageColour, ImageDirectory};
pub use order::{BatchOrder, Shuffle};
pub use permutation::Permutation;
pub(crate) use permutation::PermutationTables;
pub use samples::{Row, Samples, SparseRows, Values};
pub(crate) use source::SourceKind;
pub use source::{
    Length, RandomAccess, Sender, Source, SourceBatches, StreamPass, Streaming, Visit,
};
pub use sparse::SparseMatrix;

/// The guide's examples are run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../docs/data.md")]
struct DataGuide;
