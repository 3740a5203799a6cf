//! Where batches come from: samples in memory, IDX files, synthetic digits, and the order in
//! which an epoch visits them. Knows no model and no GPU.

mod dataset;
mod order;

pub use dataset::{Batch, Dataset, Features};
pub use order::{BatchOrder, Shuffle};
