//! How batches get from a source into the memory that an executor lends for a step.

mod arrangement;
mod cursor;
mod loader;
mod own_rows;
#[cfg_attr(target_arch = "wasm32", allow(dead_code, reason = "a browser gives it no thread"))]
mod queue;
mod reader;
mod resident;
mod stream;
#[cfg(test)]
mod tests;

pub(super) use arrangement::{Arrangement, Reading, Wanted};
pub(super) use loader::{Loader, Part, Plan};
pub(super) use stream::SharedStream;
