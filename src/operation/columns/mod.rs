//! columns

mod concatenate;
mod slice;

pub use concatenate::Concatenate;
pub use slice::Slice;
