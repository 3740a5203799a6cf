//! Recording the dispatches of a step into an encoder.

use std::collections::HashMap;

use wgpu::{CommandEncoder, CommandEncoderDescriptor};

use super::device::Gpu;
use super::timestamps::Timestamps;
use crate::error::Result;
use crate::operation::Dispatch;
use crate::operation::kernel::size;
use crate::program::{Pass, Step};

/// A dispatch with its pipeline and buffers bound.
pub(super) struct Bound {
    pub dispatch: Dispatch,
    pub pipeline: wgpu::ComputePipeline,
    pub bindings: wgpu::BindGroup,
}

pub(super) fn encoder(gpu: &Gpu, label: &str) -> CommandEncoder {
    gpu.device.create_command_encoder(&CommandEncoderDescriptor { label: Some(label) })
}

/// What a step of `pass` dispatches, its update included.
pub(super) fn dispatches<'a>(
    passes: &'a HashMap<Pass, Vec<Bound>>,
    pass: Pass,
    step: &Step,
) -> impl Iterator<Item = &'a Bound> + Clone {
    pass.lists(step).iter().filter_map(|pass| passes.get(pass)).flatten()
}

pub(super) fn record_pass<'a>(
    encoder: &mut CommandEncoder,
    bound: impl Iterator<Item = &'a Bound>,
    rows: usize,
    step: u32,
) -> Result<()> {
    let rows = size(rows)?;
    record_dispatches(&mut compute_pass(encoder), bound, rows, step);
    Ok(())
}

pub(super) fn compute_pass(encoder: &mut CommandEncoder) -> wgpu::ComputePass<'_> {
    encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
        label: Some("minibatch.step"),
        timestamp_writes: None,
    })
}

pub(super) fn record_dispatches<'a>(
    pass: &mut wgpu::ComputePass<'_>,
    bound: impl Iterator<Item = &'a Bound>,
    rows: u32,
    step: u32,
) {
    for Bound { dispatch, pipeline, bindings } in bound {
        let [x, y, z] = dispatch.grid.workgroups(rows);
        pass.set_pipeline(pipeline);
        pass.set_bind_group(0, bindings, &[step]);
        pass.dispatch_workgroups(x, y, z);
    }
}

/// [`record_pass`] with a pass for each kernel, between two timestamps; the kernels' names.
pub(super) fn record_timed<'a>(
    encoder: &mut CommandEncoder,
    bound: impl Iterator<Item = &'a Bound>,
    rows: usize,
    step: u32,
    times: &Timestamps,
) -> Result<Vec<&'static str>> {
    let rows = size(rows)?;
    let mut names = Vec::new();
    for Bound { dispatch, pipeline, bindings } in bound {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: Some(dispatch.kernel.name),
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
