//! Whether a GPU computes what it should: each operation and a whole training, against the CPU
//! executor in f64. `mnist-gpu verify` and the test suite run the same cases.

mod accumulation;
mod activity;
mod approximate;
mod bounds;
mod case;
mod columns;
mod elements;
mod losses;
mod metrics;
mod normalization;
mod operations;
mod parameters;
mod trajectory;
mod updates;

use crate::clock::Instant;
use crate::error::Result;
use crate::gpu::{Gpu, Kernel};
pub use case::Worst;
pub use losses::LossCase;
pub use metrics::MetricCase;
pub use operations::Operation;
pub use trajectory::Training;
pub use updates::Update;

/// How one operation, or the whole training, fared.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// The operation and its form.
    pub name: String,
    /// Shapes tried.
    pub shapes: usize,
    /// The element that came closest to its bound.
    pub worst: Worst,
    /// What was written where nothing must be, if anything.
    pub stray: Option<String>,
    /// Kernels that ran.
    pub kernels: Vec<Kernel>,
    /// Duration, the oracle's part included.
    pub seconds: f64,
}

impl Verdict {
    /// True if every result was within its bound and nothing else was touched.
    pub fn passed(&self) -> bool {
        self.worst.ratio() <= 1.0 && self.stray.is_none()
    }
}

/// Runs `operation` over `shapes` (`[rows, inputs, units]` each) on `gpu` and on the oracle.
///
/// # Errors
/// [`Error::Device`](crate::Error::Device) if the device fails. A wrong result is no error but a
/// [`Verdict`].
pub async fn operation(gpu: &Gpu, operation: Operation, shapes: &[[usize; 3]]) -> Result<Verdict> {
    let start = Instant::now();
    let mut verdict = Verdict {
        name: operation.name(),
        shapes: shapes.len(),
        worst: Worst::default(),
        stray: None,
        kernels: Vec::new(),
        seconds: 0.0,
    };
    for (seed, &shape) in (0..).zip(shapes) {
        let outcome = operation.case(shape, seed)?.run(gpu).await?;
        verdict.worst = verdict.worst.or(outcome.worst);
        verdict.stray = verdict.stray.or(outcome.stray);
        verdict.kernels.extend(outcome.kernels);
    }
    verdict.seconds = start.elapsed().as_secs_f64();
    Ok(verdict)
}

/// Trains a small model on `gpu`, in f32 and in f64, step by step. The error may be four times that
/// of f32 on the CPU, plus 1e-6.
///
/// # Errors
/// As [`operation`].
pub async fn training(gpu: &Gpu, training: Training) -> Result<Verdict> {
    let start = Instant::now();
    let worst = trajectory::trajectory(gpu, training).await?;
    Ok(Verdict {
        name: training.name().into(),
        shapes: 1,
        worst,
        stray: None,
        kernels: Vec::new(),
        seconds: start.elapsed().as_secs_f64(),
    })
}
