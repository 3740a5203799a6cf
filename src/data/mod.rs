//! Where batches come from: samples in memory, IDX files, synthetic digits, and the order in
//! which an epoch visits them. Knows no model and no GPU.

mod batch;
mod column;
mod dataset;
mod digits;
mod idx;
mod order;
pub mod text;

pub use batch::{Batch, Sample};
pub use column::{Features, InputColumn, TargetColumn, Targets};
pub use dataset::{Dataset, TrainTest};
pub use digits::{synthetic_digits, synthetic_digits_split};
pub use idx::{IdxArray, read_idx, read_idx_dir, read_idx_pair, write_idx};
pub use order::{BatchOrder, Shuffle};
