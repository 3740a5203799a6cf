//! How many rows of a batch a device has room for.

use std::sync::Arc;

use super::device::Gpu;
use super::kernel_limits::check_kernel;
use super::table::dispatches;
use super::upload;
use crate::error::{Error, Result};
use crate::operation::kernel::size;
use crate::operation::{Dispatch, KernelForm};
use crate::program::{Buffer, BufferId, Placement, Program, Role, Rows, used};

/// Whether the device can store what `program` stores as f16.
///
/// # Errors
/// [`Error::Argument`] naming the adapter if it cannot.
pub(super) fn check_halves(gpu: &Gpu, program: &Program) -> Result<()> {
    if !program.has_halves() || gpu.has_halves() {
        return Ok(());
    }
    let name = &gpu.info().name;
    let problem = if gpu.ruled_out().contains(KernelForm::Halves) {
        format!(
            "MixedFloat16 is ruled out on {name}, which gets f16 wrong; give Precision::Float32"
        )
    } else {
        format!(
            "MixedFloat16 needs a device with the feature SHADER_F16, which that of {name} has not; \
             give Precision::Float32"
        )
    };
    Err(Error::argument("precision", problem))
}

/// Whether batches of `rows` samples of `program` are within the device's limits.
///
/// # Errors
/// [`Error::Argument`] if they are not, with the numbers.
pub(crate) fn check_room(gpu: &Gpu, program: &Arc<Program>, rows: usize) -> Result<()> {
    check_sizes(gpu, program, &dispatches(program, gpu, rows)?, rows)
}

/// The most rows, up to `rows`, of a batch whose buffers are each within the device's limits and, all
/// together with the memory for uploads, within [`Gpu::memory_budget`]; at least 1. A pure function of
/// program, limits and budget.
///
/// # Errors
/// [`Error::Argument`] if a size does not fit the kernels' 32-bit counts.
pub(super) fn most_rows(gpu: &Gpu, program: &Arc<Program>, rows: usize) -> Result<usize> {
    // Which buffers are bound does not depend on the rows.
    let used = used(program, &dispatches(program, gpu, rows)?);
    // Parameters are there whatever the batch.
    let of_batch = |(id, buffer): &(BufferId, &Buffer)| {
        buffer.rows == Rows::Batch && buffer.placement == Placement::Own && used[id.index()]
    };
    let fits = |rows: usize| {
        let buffers = program.buffers().filter(of_batch);
        let bytes: u64 = buffers.map(|(_, buffer)| buffer.bytes(rows)).sum();
        let bytes = bytes.saturating_add(upload::batch_bytes(program, rows, gpu.upload_slots));
        bytes <= gpu.memory_budget() && check_room(gpu, program, rows).is_ok()
    };
    if fits(rows) {
        return Ok(rows);
    }
    // Every size grows with the rows: those from `beyond` on do not fit.
    let (mut fitting, mut beyond) = (1, rows.max(2));
    while beyond - fitting > 1 {
        let middle = fitting + (beyond - fitting) / 2;
        if fits(middle) {
            fitting = middle;
        } else {
            beyond = middle;
        }
    }
    Ok(fitting)
}

/// Whether batches of `rows` samples are within the device's limits.
fn check_sizes(
    gpu: &Gpu,
    program: &Arc<Program>,
    dispatches: &[Dispatch],
    rows: usize,
) -> Result<()> {
    let limits = gpu.limits();
    let most = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
    let most_terms = gpu.most_terms();
    // What no dispatch binds has no memory.
    let used = used(program, dispatches);
    for (_, buffer) in program.buffers().filter(|(id, _)| used[id.index()]) {
        let summed = matches!(buffer.role, Role::Activation | Role::Input);
        if summed && rows.max(buffer.columns) > most_terms {
            let argument = if rows > most_terms { "batch_size" } else { "units" };
            return Err(Error::argument(
                argument,
                format!(
                    "{} would be [{rows}, {}]; the kernels for this adapter add up at most \
                     {most_terms} terms",
                    buffer.name, buffer.columns
                ),
            ));
        }
        let bytes = buffer.bytes(rows);
        if bytes > most {
            let argument = if buffer.rows == Rows::Batch { "batch_size" } else { "units" };
            return Err(Error::argument(
                argument,
                format!(
                    "{} would take {bytes} bytes with {rows} samples a batch; this device \
                     binds at most {most}",
                    buffer.name
                ),
            ));
        }
    }
    let slot = upload::slot_bytes(program, rows);
    if slot > limits.max_buffer_size {
        let most = limits.max_buffer_size;
        let problem = format!(
            "of {rows} samples would be uploaded in {slot} bytes; this device has buffers of at \
             most {most}"
        );
        return Err(Error::argument("batch_size", problem));
    }
    // Of the step's scalars, and of what metrics add up to, which is read back as a whole.
    let slots = gpu.upload_slots().count(slot);
    let metrics: u64 = program.of_role(Role::Metric).map(|(_, buffer)| buffer.bytes(rows)).sum();
    let needed = upload::step_bytes(slots).saturating_add(metrics);
    if needed > limits.max_buffer_size {
        let most = limits.max_buffer_size;
        let problem = format!(
            "max_buffer_size of this device is {most}, and a step of {rows} samples needs {needed}; \
             ask for a device with more, or build the model on the CPU"
        );
        return Err(Error::argument("limits", problem));
    }
    if gpu.ruled_out().contains(KernelForm::Atomics)
        && let Some(dispatch) = dispatches.iter().find(|dispatch| dispatch.kernel.has_atomics())
    {
        let (kernel, name) = (dispatch.kernel.name, &gpu.info().name);
        let problem = format!("{kernel} needs atomic operations, which are ruled out on {name}");
        return Err(Error::argument("layer", problem));
    }
    let most_groups = limits.max_compute_workgroups_per_dimension;
    for dispatch in dispatches {
        check_kernel(&limits, &dispatch.kernel, dispatch.constants.len())?;
        let of_rows = u64::from(dispatch.terms_a_row).saturating_mul(rows as u64);
        if of_rows.saturating_add(dispatch.terms.into()) > most_terms as u64 && of_rows > 0 {
            let name = dispatch.kernel.name;
            let most = (most_terms as u64).saturating_sub(dispatch.terms.into())
                / u64::from(dispatch.terms_a_row);
            let problem = format!(
                "is {rows}; {name} takes at most {most} rows of so many values on this adapter"
            );
            return Err(Error::argument("batch_size", problem));
        }
        if dispatch.terms as usize > most_terms {
            let problem = format!(
                "{} adds up {} terms; the kernel for this adapter adds up at most {most_terms}",
                dispatch.kernel.name, dispatch.terms,
            );
            return Err(Error::argument("units", problem));
        }
        let groups = dispatch.grid.workgroups(size(rows)?);
        if groups.iter().any(|&count| count > most_groups) {
            let name = dispatch.kernel.name;
            return Err(Error::argument(
                "batch_size",
                format!(
                    "{name} would take {groups:?} workgroups with {rows} samples a batch; \
                     this device dispatches at most {most_groups} a dimension"
                ),
            ));
        }
    }
    Ok(())
}
