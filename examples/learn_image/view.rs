//! The host's render pass: the network and the picture, side by side.

use minibatch::wgpu;
use minibatch::{Model, NetworkWgsl};

use crate::picture::Picture;
use crate::samples::Samples;
use crate::support::Result;
use crate::support::halves::Halves;
use crate::support::host::Host;

pub(crate) struct View {
    /// Width over height of the picture.
    aspect: f32,
    learned: wgpu::RenderPipeline,
    picture: wgpu::RenderPipeline,
    pixels: wgpu::BindGroup,
    weights: wgpu::BindGroup,
}

impl View {
    pub(crate) fn new(
        host: &Host,
        format: wgpu::TextureFormat,
        model: &Model,
        picture: &Picture,
        samples: &Samples,
    ) -> Result<Self> {
        // `network` and the weights that it reads, as bindings of group 1.
        let network = model.network_wgsl(NetworkWgsl::new().name("network").group(1))?;
        let text = picture.size_text() + &network.text + include_str!("view.wgsl");
        let module = host.module("view.wgsl", text);
        let stage = wgpu::ShaderStages::FRAGMENT;
        let weights = host.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("weights"),
            entries: &network.layout_entries(stage),
        });
        let pixels = host.buffers_layout(stage, &[true]);
        let [learned, picture_itself] = ["learned", "picture"].map(|fragment| {
            host.render_pipeline(&[&pixels, &weights], &module, ["corner", fragment], format)
        });
        Ok(View {
            aspect: picture.width as f32 / picture.height as f32,
            learned,
            picture: picture_itself,
            pixels: host.bind(&pixels, &[samples.pixels.as_entire_buffer_binding()]),
            weights: host.device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some("weights"),
                layout: &weights,
                entries: &network.entries(),
            }),
        })
    }

    pub(crate) fn record(&self, encoder: &mut wgpu::CommandEncoder, target: &wgpu::TextureView) {
        let mut halves = Halves::new(encoder, target, self.aspect);
        for (number, pipeline) in [&self.learned, &self.picture].into_iter().enumerate() {
            let pass = halves.picture(number);
            pass.set_bind_group(0, &self.pixels, &[]);
            pass.set_bind_group(1, &self.weights, &[]);
            pass.set_pipeline(pipeline);
            pass.draw(0..3, 0..1);
        }
    }
}
