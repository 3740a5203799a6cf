//! What the network says of each place, drawn by a shader that evaluates it from the live weights.

use eframe::egui::TextureId;
use egui_wgpu::RenderState;
use minibatch::gpu::NetworkWgsl;
use minibatch::{Model, wgpu};

/// Texels along each side on a GPU, and on a software adapter.
const SIDES: [u32; 2] = [384, 160];

const FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;

/// The texture that is drawn, which egui knows by its number. Clones share it.
#[derive(Clone)]
pub struct Picture {
    view: wgpu::TextureView,
    id: TextureId,
}

impl Picture {
    pub fn new(shared: &RenderState) -> Self {
        let software = shared.adapter.get_info().device_type == wgpu::DeviceType::Cpu;
        let side = SIDES[usize::from(software)];
        let texture = shared.device.create_texture(&wgpu::TextureDescriptor {
            label: Some("decision boundary"),
            size: wgpu::Extent3d { width: side, height: side, depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: FORMAT,
            usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::TEXTURE_BINDING,
            view_formats: &[],
        });
        let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
        let id = shared.renderer.write().register_native_texture(
            &shared.device,
            &view,
            wgpu::FilterMode::Linear,
        );
        let picture = Picture { view, id };
        picture.clear(&shared.device, &shared.queue);
        picture
    }

    pub fn id(&self) -> TextureId {
        self.id
    }

    /// Makes it dark, for a task that no network has seen.
    pub fn clear(&self, device: &wgpu::Device, queue: &wgpu::Queue) {
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        drop(self.pass(&mut encoder));
        queue.submit([encoder.finish()]);
    }

    fn pass<'a>(&self, encoder: &'a mut wgpu::CommandEncoder) -> wgpu::RenderPass<'a> {
        let dark = wgpu::Color { r: 0.07, g: 0.075, b: 0.085, a: 1.0 };
        encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
            label: Some("decision boundary"),
            color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                view: &self.view,
                depth_slice: None,
                resolve_target: None,
                ops: wgpu::Operations {
                    load: wgpu::LoadOp::Clear(dark),
                    store: wgpu::StoreOp::Store,
                },
            })],
            ..Default::default()
        })
    }
}

/// The app's shader, in which the network is a function.
const SHADER: &str = include_str!("boundary.wgsl");

/// The pass that draws what one model says.
pub struct Boundary {
    picture: Picture,
    pipeline: wgpu::RenderPipeline,
    group: wgpu::BindGroup,
}

impl Boundary {
    /// The pipeline of `model`. Its bind group holds the buffers of the live weights, so that it is made
    /// once and shows every later step.
    ///
    /// # Errors
    /// [`minibatch::Error::Argument`] if the network is too large to be a function of WGSL.
    pub fn new(device: &wgpu::Device, model: &Model, picture: Picture) -> minibatch::Result<Self> {
        let network = model.network_wgsl(NetworkWgsl::new().name("network"))?;
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("decision boundary"),
            source: wgpu::ShaderSource::Wgsl(format!("{SHADER}\n{}", network.text).into()),
        });
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("network"),
            entries: &network.layout_entries(wgpu::ShaderStages::FRAGMENT),
        });
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("network"),
            layout: &layout,
            entries: &network.entries(),
        });
        let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some("decision boundary"),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let pipeline = device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
            label: Some("decision boundary"),
            layout: Some(&layout),
            vertex: wgpu::VertexState {
                module: &module,
                entry_point: Some("corner"),
                compilation_options: wgpu::PipelineCompilationOptions::default(),
                buffers: &[],
            },
            primitive: wgpu::PrimitiveState::default(),
            depth_stencil: None,
            multisample: wgpu::MultisampleState::default(),
            fragment: Some(wgpu::FragmentState {
                module: &module,
                entry_point: Some("shade"),
                compilation_options: wgpu::PipelineCompilationOptions::default(),
                targets: &[Some(FORMAT.into())],
            }),
            multiview_mask: None,
            cache: None,
        });
        Ok(Boundary { picture, pipeline, group })
    }

    /// Draws the network as it is when the encoder gets here.
    pub fn record(&self, encoder: &mut wgpu::CommandEncoder) {
        let mut pass = self.picture.pass(encoder);
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.group, &[]);
        pass.draw(0..3, 0..1);
    }
}
