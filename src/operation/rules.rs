//! The gradient rules of all operations.

use super::list::{Op, for_each_operation};
use super::tape::{Differentiable, Rule, Tape};

use crate::error::Result;

/// How gradients pass an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// It adds to the loss.
    Begins,
    /// From what it writes to what it reads.
    Reverse,
    /// They do not; the text says why.
    Stops(&'static str),
}

macro_rules! collect {
    ($($name:ident,)+) => {
        /// How gradients pass `op`.
        pub fn direction(op: &Op) -> Direction {
            match op {
                $(Op::$name(_) => match <super::$name as Differentiable>::RULE {
                    Rule::Begins(_) => Direction::Begins,
                    Rule::Reverse(_) => Direction::Reverse,
                    Rule::Stops(why) => Direction::Stops(why),
                },)+
            }
        }

        /// The names of the operations that gradients pass.
        #[cfg(test)]
        pub(crate) fn reversed() -> Vec<&'static str> {
            fn name<O: Differentiable>() -> Option<&'static str> {
                match O::RULE {
                    Rule::Reverse(_) => Some(O::NAME),
                    Rule::Begins(_) | Rule::Stops(_) => None,
                }
            }
            [$(name::<super::$name>()),+].into_iter().flatten().collect()
        }

        /// Pushes the backward operations of `op`.
        ///
        /// # Errors
        /// Those of [`Tape::push`].
        pub fn reverse(op: &Op, tape: &mut Tape) -> Result<()> {
            match op {
                $(Op::$name(op) => match <super::$name as Differentiable>::RULE {
                    Rule::Begins(rule) | Rule::Reverse(rule) => rule(op, tape),
                    Rule::Stops(_) => Ok(()),
                },)+
            }
        }
    };
}
for_each_operation!(collect);
