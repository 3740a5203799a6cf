//! What a dispatch does, in plain numbers.

use std::ops::AddAssign;

/// What one dispatch does for so many rows of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// Floating-point operations; of a product of matrices a multiplication and an addition for each
    /// term of each element.
    pub flops: u64,
    /// Bytes that it reads and writes. A tile of a matrix kernel reads its rows and columns anew, so
    /// that these are the bytes between the cache and the processors.
    pub bytes: u64,
    /// Bytes of all that it binds, each buffer once: what it reads from memory and writes there where
    /// the cache holds nothing of it.
    pub bound_bytes: u64,
    /// Bytes that the invocations read of the memory of their workgroups.
    pub local_bytes: u64,
    /// Workgroups.
    pub workgroups: u64,
    /// Invocations of a workgroup.
    pub threads: u32,
    /// How often an invocation waits, one time after the other, until what it loads is there.
    pub waits: u64,
}

/// Numbers that the work of several dispatches adds up to.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Total {
    /// How many dispatches they are.
    pub dispatches: usize,
    /// As [`Work::flops`].
    pub flops: u64,
    /// As [`Work::bytes`].
    pub bytes: u64,
    /// Microseconds that a model of a device gives them.
    pub us: f64,
}

impl AddAssign<(Work, f64)> for Total {
    fn add_assign(&mut self, (work, us): (Work, f64)) {
        self.dispatches += 1;
        self.flops = self.flops.saturating_add(work.flops);
        self.bytes = self.bytes.saturating_add(work.bytes);
        self.us += us;
    }
}
