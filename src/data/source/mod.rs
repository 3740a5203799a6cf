//! Sources of samples: what each must be able to do, and what adaptors make of them.

mod any;
mod batches;
mod channel;
mod checksum;
mod contract;
mod generator;
mod in_memory;
mod in_order;
mod slice;

pub(super) use any::FinishedPass;
pub use any::Source;
pub(crate) use any::SourceKind;
pub use batches::SourceBatches;
pub use channel::Sender;
pub use contract::{RandomAccess, StreamPass, Streaming, Visit};
pub use generator::Length;
pub(super) use slice::Slice;
