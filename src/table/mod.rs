//! The buffers that operations name, the memory behind them on the host, and the scalars of a step.

mod buffer;
mod memory;
mod step;
mod tables;

pub use buffer::{Buffer, BufferId, Element, Placement, Reals, Role, Rows};
pub use memory::{Memory, Storage};
pub use step::Step;
pub use tables::{ExpressionId, Table};
