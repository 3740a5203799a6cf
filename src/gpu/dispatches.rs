//! Recording the dispatches of a step into an encoder.

use wgpu::{CommandEncoder, ComputePassTimestampWrites};

use super::device::Gpu;
use super::timestamps::Timestamps;
use crate::error::Result;
use crate::operation::Dispatch;
use crate::operation::kernel::size;

/// A dispatch with its pipeline and buffers bound.
pub(super) struct Bound {
    pub dispatch: Dispatch,
    pub pipeline: wgpu::ComputePipeline,
    pub bindings: wgpu::BindGroup,
}

/// Records `bound` as one compute pass; how many dispatches they are.
pub(super) fn record_pass<'a>(
    gpu: &Gpu,
    encoder: &mut CommandEncoder,
    bound: impl Iterator<Item = &'a Bound>,
    rows: usize,
    step: u32,
) -> Result<u64> {
    let rows = size(rows)?;
    Ok(record_dispatches(&mut compute_pass(gpu, encoder, None), bound, rows, step))
}

pub(super) fn compute_pass<'e>(
    gpu: &Gpu,
    encoder: &'e mut CommandEncoder,
    timestamp_writes: Option<ComputePassTimestampWrites<'_>>,
) -> wgpu::ComputePass<'e> {
    encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
        label: Some(&gpu.label("minibatch.step")),
        timestamp_writes,
    })
}

/// The same in a pass that was begun.
pub(super) fn record_dispatches<'a>(
    pass: &mut wgpu::ComputePass<'_>,
    bound: impl Iterator<Item = &'a Bound>,
    rows: u32,
    step: u32,
) -> u64 {
    let mut count = 0;
    for Bound { dispatch, pipeline, bindings } in bound {
        let [x, y, z] = dispatch.grid.workgroups(rows);
        pass.set_pipeline(pipeline);
        pass.set_bind_group(0, bindings, &[step]);
        pass.dispatch_workgroups(x, y, z);
        count += 1;
    }
    count
}

/// [`record_pass`] with a pass for each kernel, between two timestamps; the kernels' names.
pub(super) fn record_timed<'a>(
    gpu: &Gpu,
    encoder: &mut CommandEncoder,
    bound: impl Iterator<Item = &'a Bound>,
    rows: usize,
    step: u32,
    times: &Timestamps,
) -> Result<Vec<&'static str>> {
    let rows = size(rows)?;
    let mut names = Vec::new();
    for Bound { dispatch, pipeline, bindings } in bound {
        let name = format!("minibatch.{}", dispatch.kernel.name);
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: Some(&gpu.label(&name)),
            timestamp_writes: times.writes(names.len()),
        });
        let [x, y, z] = dispatch.grid.workgroups(rows);
        pass.set_pipeline(pipeline);
        pass.set_bind_group(0, bindings, &[step]);
        pass.dispatch_workgroups(x, y, z);
        names.push(dispatch.kernel.name);
    }
    times.resolve(encoder, names.len());
    Ok(names)
}
