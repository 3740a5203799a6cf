//! Whether a device can run a kernel at all: what it takes is compared with the device's limits before
//! anything is made.

use crate::error::{Error, Result};
use crate::operation::{AdapterClass, Kernel, KernelForm, KernelForms, MatrixForm};

/// Bytes of the step's uniform: `shared/step.wgsl`.
pub(super) const STEP_BYTES: u64 = 48;

/// Uniforms of each kernel: the step and the constants.
const UNIFORMS: u32 = 2;

/// The forms of kernels that need more than every WebGPU device has, and more than this one has. Others
/// take their place, so that a device of lower limits runs all that it can.
pub(super) fn beyond(limits: &wgpu::Limits) -> KernelForms {
    let [threads, bytes] = [
        limits.max_compute_invocations_per_workgroup.min(limits.max_compute_workgroup_size_x),
        limits.max_compute_workgroup_storage_size,
    ];
    let fits =
        |[need_threads, need_bytes]: [u32; 2]| need_threads <= threads && need_bytes <= bytes;
    // Every adapter has the forms in registers to fall back on.
    let tiles = MatrixForm::ALL.into_iter().filter(|form| form.class() == AdapterClass::Hardware);
    let tiles = tiles.filter(|form| !fits(form.workgroup()));
    let mut beyond: KernelForms = tiles.map(KernelForm::Matrix).collect();
    // Their sizes depend on the model; the largest are WebGPU's defaults.
    let storage = limits.max_storage_buffers_per_shader_stage;
    if !fits([256, 16_384]) || storage < 8 {
        beyond = beyond.with(KernelForm::FusedSteps);
    }
    beyond
}

/// Whether the device can run a kernel whose constants take so many bytes.
///
/// # Errors
/// [`Error::Argument`] naming the limit, what the kernel needs, and what the device has.
pub(super) fn check_kernel(limits: &wgpu::Limits, kernel: &Kernel, constants: usize) -> Result<()> {
    let storage = u32::try_from(kernel.bindings.len()).unwrap_or(u32::MAX);
    let threads = kernel.threads().unwrap_or(0);
    let bytes = u64::try_from(constants).unwrap_or(u64::MAX).max(STEP_BYTES);
    let needs = [
        ("max_bind_groups", 1, limits.max_bind_groups),
        (
            "max_bindings_per_bind_group",
            storage.saturating_add(UNIFORMS),
            limits.max_bindings_per_bind_group,
        ),
        (
            "max_dynamic_uniform_buffers_per_pipeline_layout",
            1,
            limits.max_dynamic_uniform_buffers_per_pipeline_layout,
        ),
        (
            "max_uniform_buffers_per_shader_stage",
            UNIFORMS,
            limits.max_uniform_buffers_per_shader_stage,
        ),
        (
            "max_storage_buffers_per_shader_stage",
            storage,
            limits.max_storage_buffers_per_shader_stage,
        ),
        (
            "max_compute_invocations_per_workgroup",
            threads,
            limits.max_compute_invocations_per_workgroup,
        ),
        ("max_compute_workgroup_size_x", threads, limits.max_compute_workgroup_size_x),
        ("max_compute_workgroup_size_y", 1, limits.max_compute_workgroup_size_y),
        ("max_compute_workgroup_size_z", 1, limits.max_compute_workgroup_size_z),
        (
            "max_compute_workgroup_storage_size",
            kernel.workgroup_bytes().unwrap_or(0),
            limits.max_compute_workgroup_storage_size,
        ),
    ];
    let needs = needs.map(|(limit, need, has)| (limit, u64::from(need), u64::from(has)));
    let uniform =
        ("max_uniform_buffer_binding_size", bytes, limits.max_uniform_buffer_binding_size);
    match needs.into_iter().chain([uniform]).find(|(_, need, has)| need > has) {
        None => Ok(()),
        Some((limit, need, has)) => {
            let problem = format!(
                "{limit} of this device is {has}, and the kernel {} needs {need}; ask for a device \
                 with more, or build the model on the CPU",
                kernel.name
            );
            Err(Error::argument("limits", problem))
        }
    }
}
