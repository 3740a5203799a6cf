//! What is trained: a stack of layers, its lowering to a program, its initial weights and its
//! file.

mod file;
mod initializer;
mod lower;
mod regularizer;
mod sequential;
mod summary;

pub(crate) use file::parameters;
pub use file::{Saved, Weights, load, save, tensors};
pub use initializer::Initializer;
pub(crate) use lower::check_optimizer;
pub use lower::lower;
pub use regularizer::Regularizer;
pub use sequential::{Compiled, Dense, Input, InputType, Layer, Sequential};
