//! The network in a shader of the host's: where it moves particles.

use minibatch::wgpu;
use minibatch::{Model, NetworkWgsl};

use crate::simulation::{GRID, GROUP, PARTICLES, Simulation, world};
use crate::support::Result;
use crate::support::host::Host;

pub(crate) struct Prediction {
    /// `[GRID * GRID, 2]`.
    pub(crate) arrows: wgpu::Buffer,
    bindings: wgpu::BindGroup,
    weights: wgpu::BindGroup,
    follow: wgpu::ComputePipeline,
    draw_arrows: wgpu::ComputePipeline,
}

impl Prediction {
    pub(crate) fn new(host: &Host, model: &mut Model, simulation: &Simulation) -> Result<Self> {
        // `network` and the weights that it reads, as bindings of group 1.
        let network = model.network_wgsl(NetworkWgsl::new().name("network").group(1))?;
        let text = world() + &network.text + include_str!("prediction.wgsl");
        let module = host.module("prediction.wgsl", text);
        let stage = wgpu::ShaderStages::COMPUTE;
        let weights = host.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("weights"),
            entries: &network.layout_entries(stage),
        });
        let layout = host.buffers_layout(stage, &[false, false]);
        let arrows = host.storage("arrows", u64::from(GRID * GRID) * 8);
        let buffers = [&simulation.followers, &arrows].map(wgpu::Buffer::as_entire_buffer_binding);
        let pipeline = |entry| host.compute_pipeline(&[&layout, &weights], &module, entry);
        Ok(Prediction {
            bindings: host.bind(&layout, &buffers),
            weights: host.device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some("weights"),
                layout: &weights,
                entries: &network.entries(),
            }),
            follow: pipeline("follow"),
            draw_arrows: pipeline("draw_arrows"),
            arrows,
        })
    }

    /// Moves the particles that follow the network by a frame, and has it say all forces.
    pub(crate) fn record(&self, encoder: &mut wgpu::CommandEncoder) {
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_bind_group(0, &self.bindings, &[]);
        pass.set_bind_group(1, &self.weights, &[]);
        pass.set_pipeline(&self.follow);
        pass.dispatch_workgroups(PARTICLES / GROUP, 1, 1);
        pass.set_pipeline(&self.draw_arrows);
        pass.dispatch_workgroups((GRID * GRID).div_ceil(GROUP), 1, 1);
    }
}
