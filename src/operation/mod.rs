//! The operations that a program consists of, a folder for each family. An operation's home holds its
//! formula, the shapes that it takes, its CPU function and its kernel.

mod access;
pub mod activation;
pub mod case;
pub mod columns;
mod contract;
pub mod dense;
pub mod elementwise;
pub mod expression;
mod forms;
mod functions;
pub mod kernel;
mod list;
pub mod loss;
pub mod loss_scale;
pub mod metric;
pub mod noise;
pub mod normalization;
pub mod optimizer;
pub mod parameter;
mod prelude;
mod rules;
mod run;
mod shapes;
pub mod softmax;
pub mod sparse;
mod tape;

pub use access::{Access, Buffers};
pub use columns::*;
pub use contract::{InParts, Operation};
pub use dense::*;
pub use elementwise::*;
pub use expression::*;
pub use forms::forms;
pub use kernel::{Dispatch, Kernel, KernelClass};
pub use list::Op;
pub use loss::*;
pub use loss_scale::*;
pub use metric::*;
pub use noise::*;
pub use normalization::*;
pub use optimizer::*;
pub use parameter::*;
#[cfg(test)]
pub(crate) use rules::reversed;
pub use rules::{Direction, direction, reverse};
pub use run::{RowShape, Run};
pub use shapes::Shapes;
pub use softmax::*;
pub use sparse::*;
pub use tape::{Derivative, Differentiable, Rule, Tape};
