//! Elementwise expressions: what a user writes with operators, the flat list of terms that it becomes,
//! and its derivatives.

mod computed;
mod derivative;
mod formula;
mod function;
mod tree;

pub use computed::Computed;
pub use formula::{Formula, Term};
pub use function::{Binary, Unary};
pub use tree::Expression;

#[cfg(test)]
mod tests;
