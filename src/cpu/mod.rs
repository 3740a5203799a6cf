//! Runs a [`Program`](crate::program::Program) on the CPU, in f32 (the fallback without a GPU) or in f64 (the oracle that
//! the GPU is checked against). One plain function an operation, named as its kernel.

mod executor;
mod feed;
mod shard_metrics;
mod shards;

pub use crate::threads::{HostThreads, Threads};
pub use executor::CpuExecutor;
pub use feed::{CpuColumn, CpuFeed};

/// The CPU as the place where a model is built.
///
/// It computes in f32, on all cores unless it is told otherwise. The results are the same bits with
/// any number of threads. Small steps use fewer: a part of the work goes to another thread only where
/// that saves more than it costs.
///
/// ```
/// use minibatch::Cpu;
/// use minibatch::cpu::Threads;
///
/// let all = Cpu::new();
/// let alone = Cpu::new().threads(1);
/// // One pool for several models.
/// let threads = Threads::new(2);
/// let shared = Cpu::on(&threads);
/// # assert_eq!(alone.pool().count(), 1);
/// # assert_eq!(shared.pool().count(), 2);
/// # assert!(all.pool().count() >= 1);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Cpu {
    threads: Threads,
}

impl Cpu {
    /// The CPU with all cores that this process may use, which all models share that are built so.
    pub fn new() -> Self {
        Cpu::default()
    }

    /// With `count` threads of its own, of which the calling thread is one; 0 counts as 1.
    pub fn threads(self, count: usize) -> Self {
        Cpu { threads: Threads::new(count) }
    }

    /// The CPU with these threads: a limited number that several models share, or a host's own pool.
    pub fn on(threads: &Threads) -> Self {
        Cpu { threads: threads.clone() }
    }

    /// What it computes on.
    pub fn pool(&self) -> &Threads {
        &self.threads
    }
}
