//! Runs a [`Program`](crate::program::Program) on the CPU, in f32 (the fallback without a GPU) or in f64 (the oracle that
//! the GPU is checked against). One plain function an operation, named as its kernel.

mod accumulate;
mod activate;
mod activate_backward;
pub(crate) mod activation;
mod activity_penalty;
mod adagrad;
mod adam;
mod add;
mod amsgrad;
mod argmax;
mod batch_moments;
mod batch_normalize;
mod binary_histogram;
mod categorical_cross_entropy;
mod clip_by_norm;
mod clip_by_value;
mod concatenate;
mod confusion_matrix;
mod convert;
mod dense_backward_input;
mod dense_backward_weights;
mod dense_forward;
mod dropout;
mod executor;
mod feed;
pub(crate) mod gaussian_noise;
mod layer_normalize;
mod loss;
mod metric;
mod moving_average;
mod operations;
mod penalty;
mod penalty_gradient;
mod pointwise_loss;
mod pointwise_metric;
mod real;
mod rms_prop;
mod sgd;
mod shape;
mod slice;
mod softmax;
mod softmax_backward;
mod softmax_cross_entropy;
mod squared_norm;
mod take_mean;
mod top_k;

pub use executor::CpuExecutor;
pub use feed::{CpuColumn, CpuFeed};
pub use real::{Matrix, Real};

/// The CPU as the place where a model is built.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cpu;

impl Cpu {
    /// The CPU, computing in f32 on the calling thread.
    pub fn new() -> Self {
        Cpu
    }
}
