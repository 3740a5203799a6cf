//! Sources of samples: what each must be able to do, and what adaptors make of them.

mod any;
mod batches;
mod contract;
mod generator;
mod in_memory;
mod in_order;

pub use any::Source;
pub(crate) use any::SourceKind;
pub use batches::SourceBatches;
pub use contract::{Pass, RandomAccess, Streaming, Visit};
pub use generator::Length;
