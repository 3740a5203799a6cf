//! What every operation says of itself.

use std::fmt::Debug;

use super::access::Buffers;
use super::kernel::{Dispatch, Target};
use super::run::Run;
use super::shapes::Shapes;
use crate::error::Result;
use crate::number::Real;

/// What becomes of an operation where a batch runs in parts, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InParts {
    /// What it writes for a row depends on that row alone, and on what all rows share.
    Rows,
    /// It adds up over rows: what it writes for the parts adds up to what it writes for the batch.
    Sums,
    /// It takes the largest over rows: the largest of what it writes for the parts is what it writes for
    /// the batch. What reads it takes the part's own for its part.
    Largest,
    /// It has no rows: it works on parameters and statistics.
    NoRows,
    /// It needs sums over the batch where the statistics are those of the batch, which an operation
    /// before it takes that [cannot run in parts](InParts::Whole); else it goes row by row.
    AfterStatistics,
    /// What it writes depends on all rows of the batch, and the parts would give something else: a
    /// batch with it cannot be cut.
    Whole,
}

/// What an operation is: the shapes that it takes, the function that computes it on the CPU and the
/// kernel that computes it on a GPU. The formula stands in the doc comment of its struct.
pub trait Operation: Buffers + Copy + PartialEq + Debug {
    /// What becomes of it where a batch runs in parts.
    const IN_PARTS: InParts;

    /// Floating-point operations for each value of the largest buffer that it binds, a square root or
    /// an exponential counted as one; 0 if its dispatch says how many there are. They are there to
    /// report and to estimate times.
    const FLOPS: u32;

    /// Whether the buffers fit each other and the constants are in their ranges.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) or [`Error::Argument`](crate::Error::Argument) naming
    /// what does not fit.
    fn check(&self, shapes: &Shapes<'_>) -> Result<()>;

    /// Computes it on the CPU.
    fn run<T: Real>(&self, on: &Run<'_, T>);

    /// The dispatch that computes it on a GPU.
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) if a size does not fit the kernel's 32 bits.
    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch>;
}

/// Declares an operation: a struct of its buffers, in the order of the kernel's bindings, and of its
/// constants. A last buffer in brackets is one that need not be there.
macro_rules! operation {
    (
        $(#[$doc:meta])*
        pub struct $name:ident($label:literal) {
            $($access:ident $buffer:ident),+ $([$optional_access:ident $optional:ident])? ;
            $($(#[$constant_doc:meta])* $constant:ident: $type:ty,)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq)]
        #[allow(missing_docs, reason = "the formula names the fields")]
        pub struct $name {
            $(pub $buffer: $crate::table::BufferId,)+
            $(pub $optional: Option<$crate::table::BufferId>,)?
            $($(#[$constant_doc])* pub $constant: $type,)*
        }

        impl $crate::operation::access::Buffers for $name {
            const NAME: &'static str = $label;

            fn each(
                &self,
                see: &mut dyn FnMut($crate::operation::access::Access, $crate::table::BufferId),
            ) {
                $(see($crate::operation::contract::access!($access), self.$buffer);)+
                $(if let Some(id) = self.$optional {
                    see($crate::operation::contract::access!($optional_access), id);
                })?
            }

            $(fn optional_mut(&mut self) -> Option<&mut Option<$crate::table::BufferId>> {
                Some(&mut self.$optional)
            })?

            fn each_mut(
                &mut self,
                see: &mut dyn FnMut(
                    $crate::operation::access::Access,
                    &mut $crate::table::BufferId,
                ),
            ) {
                $(see($crate::operation::contract::access!($access), &mut self.$buffer);)+
                $(if let Some(id) = &mut self.$optional {
                    see($crate::operation::contract::access!($optional_access), id);
                })?
            }
        }
    };
}

macro_rules! access {
    (load) => {
        $crate::operation::access::Access::Load
    };
    (read) => {
        $crate::operation::access::Access::Read
    };
    (write) => {
        $crate::operation::access::Access::Write
    };
}

pub(crate) use {access, operation};
