//! Operations on each value by itself.

mod activate;
mod activate_backward;
mod add;
mod cases;
mod convert;
mod gradient;
mod sample;

pub use activate::Activate;
pub use activate_backward::ActivateBackward;
pub use add::Add;
pub use convert::Convert;
