//! Operations that put rows side by side or cut columns out of them.

mod cases;
mod concatenate;
mod gradient;
mod sample;
mod shape;
mod slice;

pub use concatenate::Concatenate;
pub use slice::Slice;
