//! Runs a [`Program`](crate::program::Program) on the CPU, in f32 (the fallback without a GPU) or in f64 (the oracle that
//! the GPU is checked against). One plain function an operation, named as its kernel.

mod executor;
mod feed;

pub use executor::CpuExecutor;
pub use feed::{CpuColumn, CpuFeed};

/// The CPU as the place where a model is built.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cpu;

impl Cpu {
    /// The CPU, computing in f32 on the calling thread.
    pub fn new() -> Self {
        Cpu
    }
}
