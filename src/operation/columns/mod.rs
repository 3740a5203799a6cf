//! columns

mod concatenate;
mod gradient;
mod slice;

pub use concatenate::Concatenate;
pub use slice::Slice;
