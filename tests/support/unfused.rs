//! Backends that run a training step operation by operation.

use minibatch::gpu::FusedSteps;
use minibatch::training::Backend;

/// The same backend, which fuses no steps: on a GPU, a small network's values and gradients can be read
/// after one, and steps of which one kind alone could be fused have the same bits.
pub(crate) fn unfused(backend: &Backend) -> Backend {
    match backend {
        Backend::Gpu(gpu) => Backend::Gpu(gpu.clone().with_fused_steps(FusedSteps::Never)),
        other => other.clone(),
    }
}
