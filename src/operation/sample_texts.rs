//! The texts of all operations for one sample.

use super::list::{Op, for_each_operation};
use super::per_sample::{PerSample, SampleText, SampleWriter};
use crate::error::Result;

/// What an operation is in a function of one sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InSample {
    /// Its result may take the place of an operand as wide.
    Elementwise,
    /// Its result needs a place of its own.
    Row,
    /// It has no place there; the text says why.
    None(&'static str),
}

macro_rules! collect {
    ($($name:ident,)+) => {
        /// What `op` is in a function of one sample.
        pub fn in_sample(op: &Op) -> InSample {
            match op {
                $(Op::$name(_) => match <super::$name as PerSample>::TEXT {
                    SampleText::Elementwise(_) => InSample::Elementwise,
                    SampleText::Row(_) => InSample::Row,
                    SampleText::None(why) => InSample::None(why),
                },)+
            }
        }

        /// Writes the statements of `op`; nothing if it has none.
        ///
        /// # Errors
        /// Those of [`SampleWriter`].
        pub fn write_sample(op: &Op, writer: &mut SampleWriter<'_>) -> Result<()> {
            match op {
                $(Op::$name(op) => match <super::$name as PerSample>::TEXT {
                    SampleText::Elementwise(write) | SampleText::Row(write) => write(op, writer),
                    SampleText::None(_) => Ok(()),
                },)+
            }
        }

        /// The names of the operations that have such a text.
        pub fn with_sample_text() -> Vec<&'static str> {
            fn name<O: PerSample>() -> Option<&'static str> {
                match O::TEXT {
                    SampleText::Elementwise(_) | SampleText::Row(_) => Some(O::NAME),
                    SampleText::None(_) => None,
                }
            }
            [$(name::<super::$name>()),+].into_iter().flatten().collect()
        }
    };
}
for_each_operation!(collect);
