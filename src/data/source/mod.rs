//! Sources of samples: what each must be able to do, and what adaptors make of them.

mod any;
mod batches;
mod channel;
mod checksum;
mod contract;
mod finished;
mod generator;
mod in_memory;
mod in_order;
mod slice;

pub use any::Source;
pub(crate) use any::SourceKind;
pub use batches::SourceBatches;
pub use channel::Sender;
pub use contract::{RandomAccess, StreamPass, Streaming, Visit};
pub(super) use finished::FinishedPass;
pub use generator::Length;
pub(super) use slice::Slice;
