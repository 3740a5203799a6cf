//! Train dense neural networks, mini-batch by mini-batch, on any GPU that wgpu reaches.

mod activation;
mod atomic_write;
pub mod cpu;
pub mod data;
mod error;
pub mod gpu;
mod loss;
mod metric;
pub mod model;
mod optimizer;
pub mod parity;

pub mod program;
pub mod random;
pub mod training;

pub use activation::{Activation, Elementwise};
pub use atomic_write::atomic_write;
pub use cpu::Cpu;
pub use error::{Error, IdxProblem, Result};
pub use gpu::Gpu;
pub use loss::Loss;
pub use metric::Metric;
pub use model::Sequential;
pub use optimizer::Adam;
pub use training::{Evaluate, Fit, Model, Predict};
