//! The host's compute pass: the world of the particles.

use minibatch::wgpu;

use crate::support::host::Host;

/// Particles, and so samples of a step.
pub(crate) const PARTICLES: u32 = 4096;
/// Arrows along each side of the square.
pub(crate) const GRID: u32 = 24;
/// Frames that a particle lives, on average.
const LIFE: u32 = 256;
/// Frames after which those that follow the network are put where the particles are.
const RESTART: u32 = 120;
/// Invocations of a workgroup, as the shaders have them.
pub(crate) const GROUP: u32 = 64;

pub(crate) struct Simulation {
    pub(crate) particles: wgpu::Buffer,
    pub(crate) followers: wgpu::Buffer,
    /// `[PARTICLES, 4]`: states.
    pub(crate) inputs: wgpu::Buffer,
    /// `[PARTICLES, 4]`: how each has changed a frame later.
    pub(crate) changes: wgpu::Buffer,
    /// `[GRID * GRID, 2]`.
    pub(crate) arrows: wgpu::Buffer,
    bindings: wgpu::BindGroup,
    simulate: wgpu::ComputePipeline,
    count: wgpu::ComputePipeline,
}

/// What the shaders share.
pub(crate) fn world() -> String {
    format!(
        "const GRID = {GRID}u;\nconst LIFE = {LIFE}u;\nconst RESTART = {RESTART}u;\n{}{}",
        include_str!("physics.wgsl"),
        include_str!("grid.wgsl"),
    )
}

impl Simulation {
    pub(crate) fn new(host: &Host) -> Self {
        let states = |label| host.storage(label, u64::from(PARTICLES) * 16);
        let [particles, followers, inputs, changes] =
            ["particles", "followers", "inputs", "changes"].map(states);
        let frame = host.storage("frame", 4);
        let arrows = host.storage("arrows", u64::from(GRID * GRID) * 8);
        let module = host.module("simulation.wgsl", world() + include_str!("simulation.wgsl"));
        let layout = host.buffers_layout(wgpu::ShaderStages::COMPUTE, &[false; 6]);
        let buffers = [&particles, &followers, &inputs, &changes, &frame, &arrows]
            .map(wgpu::Buffer::as_entire_buffer_binding);
        let bindings = host.bind(&layout, &buffers);
        let pipeline = |entry| host.compute_pipeline(&[&layout], &module, entry);
        let [simulate, count, draw_arrows] = ["simulate", "count", "draw_arrows"].map(pipeline);
        // The forces stay as they are.
        let mut encoder = host.device.create_command_encoder(&Default::default());
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_bind_group(0, &bindings, &[]);
        pass.set_pipeline(&draw_arrows);
        pass.dispatch_workgroups((GRID * GRID).div_ceil(GROUP), 1, 1);
        drop(pass);
        host.queue.submit([encoder.finish()]);
        Simulation { particles, followers, inputs, changes, arrows, bindings, simulate, count }
    }

    /// Records a frame of the world.
    pub(crate) fn record(&self, encoder: &mut wgpu::CommandEncoder) {
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_bind_group(0, &self.bindings, &[]);
        pass.set_pipeline(&self.simulate);
        pass.dispatch_workgroups(PARTICLES / GROUP, 1, 1);
        pass.set_pipeline(&self.count);
        pass.dispatch_workgroups(1, 1, 1);
    }
}
