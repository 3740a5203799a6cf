//! What is trained: a stack of layers, its lowering to a program, its initial weights and its
//! file.

mod file;
mod initializer;
mod lower;
mod sequential;

pub(crate) use file::parameters;
pub use file::{Weights, load, save};
pub use initializer::glorot_uniform;
pub(crate) use lower::check_optimizer;
pub use lower::lower;
pub use sequential::{Compiled, Dense, Input, InputType, Sequential};
