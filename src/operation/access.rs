//! What an operation reads and writes.

use crate::table::BufferId;

/// How an operation uses one of its buffers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// Reads reals that may be stored as bytes: the kernel converts them as it loads them.
    Load,
    /// Reads.
    Read,
    /// Writes, and may read what was there before.
    Write,
}

impl Access {
    /// Whether the buffer is only read.
    pub fn is_read(self) -> bool {
        match self {
            Access::Load | Access::Read => true,
            Access::Write => false,
        }
    }
}

/// An operation's name and its buffers; the macro `operation!` writes it from the fields.
pub trait Buffers {
    /// The name of the operation and of its kernel.
    const NAME: &'static str;

    /// Shows each buffer in the order of the kernel's bindings.
    fn each(&self, see: &mut dyn FnMut(Access, BufferId));

    /// The buffer that need not be there; `None` for an operation that can have none.
    fn optional_mut(&mut self) -> Option<&mut Option<BufferId>> {
        None
    }

    /// The same as [`each`](Self::each), to put others in their places.
    fn each_mut(&mut self, see: &mut dyn FnMut(Access, &mut BufferId));
}
