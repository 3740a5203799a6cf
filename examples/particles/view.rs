//! The host's render pass: the world, and beside it the network's.

use minibatch::wgpu;

use crate::prediction::Prediction;
use crate::simulation::{GRID, PARTICLES, Simulation, world};
use crate::support::halves::Halves;
use crate::support::host::Host;

/// Corners of a streak's two triangles, and of an arrow's three.
const STREAK: u32 = 6;
const ARROW: u32 = 9;

pub(crate) struct View {
    streaks: wgpu::RenderPipeline,
    arrows: wgpu::RenderPipeline,
    /// Of the world, and of the network's.
    halves: [wgpu::BindGroup; 2],
}

impl View {
    pub(crate) fn new(
        host: &Host,
        format: wgpu::TextureFormat,
        simulation: &Simulation,
        prediction: &Prediction,
    ) -> Self {
        let module = host.module("view.wgsl", world() + include_str!("view.wgsl"));
        let layout = host.buffers_layout(wgpu::ShaderStages::VERTEX, &[true, true]);
        let half = |buffers: [&wgpu::Buffer; 2]| {
            host.bind(&layout, &buffers.map(wgpu::Buffer::as_entire_buffer_binding))
        };
        let pipeline = |entries| host.render_pipeline(&[&layout], &module, entries, format);
        View {
            streaks: pipeline(["streak", "streak_colour"]),
            arrows: pipeline(["arrow", "arrow_colour"]),
            halves: [
                half([&simulation.particles, &simulation.arrows]),
                half([&simulation.followers, &prediction.arrows]),
            ],
        }
    }

    pub(crate) fn record(&self, encoder: &mut wgpu::CommandEncoder, target: &wgpu::TextureView) {
        let mut halves = Halves::new(encoder, target, 1.0);
        for (number, bindings) in self.halves.iter().enumerate() {
            let pass = halves.picture(number);
            pass.set_bind_group(0, bindings, &[]);
            pass.set_pipeline(&self.arrows);
            pass.draw(0..ARROW, 0..GRID * GRID);
            pass.set_pipeline(&self.streaks);
            pass.draw(0..STREAK, 0..PARTICLES);
        }
    }
}
