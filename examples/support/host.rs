//! The host's side of wgpu: instance, adapter, device and queue.

use std::sync::{Arc, Mutex, PoisonError};

use minibatch::wgpu;

use super::Result;

/// What every wgpu application has before it knows of a network.
pub(crate) struct Host {
    /// Knows what a window can show.
    #[cfg(feature = "window")]
    pub(crate) adapter: wgpu::Adapter,
    pub(crate) device: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
    /// The first thing that went wrong in one of the host's own calls.
    failure: Arc<Mutex<Option<String>>>,
}

impl Host {
    /// A device with WebGPU's default limits and no optional feature.
    pub(crate) fn new(
        instance: &wgpu::Instance,
        surface: Option<&wgpu::Surface<'_>>,
    ) -> Result<Self> {
        let options = wgpu::RequestAdapterOptions {
            power_preference: wgpu::PowerPreference::HighPerformance,
            compatible_surface: surface,
            ..Default::default()
        };
        let (adapter, device, queue) = minibatch::gpu::block_on(async {
            let adapter = instance.request_adapter(&options).await?;
            let descriptor = wgpu::DeviceDescriptor { label: Some("host"), ..Default::default() };
            let (device, queue) = adapter.request_device(&descriptor).await?;
            Ok::<_, Box<dyn std::error::Error>>((adapter, device, queue))
        })?;
        #[cfg(not(feature = "window"))]
        drop(adapter);
        let failure = Arc::new(Mutex::new(None));
        let first = failure.clone();
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            let mut first = first.lock().unwrap_or_else(PoisonError::into_inner);
            first.get_or_insert_with(|| error.to_string());
        }));
        Ok(Host {
            #[cfg(feature = "window")]
            adapter,
            device,
            queue,
            failure,
        })
    }

    /// What went wrong since the last call, if anything.
    pub(crate) fn check(&self) -> Result<()> {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        failure.map_or(Ok(()), |failure| Err(failure.into()))
    }

    /// Storage buffers as bindings 0, 1, ...; whether each is only read.
    pub(crate) fn buffers_layout(
        &self,
        visibility: wgpu::ShaderStages,
        read_only: &[bool],
    ) -> wgpu::BindGroupLayout {
        let entry = |(binding, &read_only)| wgpu::BindGroupLayoutEntry {
            binding,
            visibility,
            ty: wgpu::BindingType::Buffer {
                ty: wgpu::BufferBindingType::Storage { read_only },
                has_dynamic_offset: false,
                min_binding_size: None,
            },
            count: None,
        };
        let entries: Vec<_> = (0..).zip(read_only).map(entry).collect();
        self.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: None,
            entries: &entries,
        })
    }

    /// Buffers, or parts of them, as bindings 0, 1, ...
    pub(crate) fn bind(
        &self,
        layout: &wgpu::BindGroupLayout,
        buffers: &[wgpu::BufferBinding<'_>],
    ) -> wgpu::BindGroup {
        let entries: Vec<_> = (0..)
            .zip(buffers)
            .map(|(binding, buffer)| wgpu::BindGroupEntry {
                binding,
                resource: wgpu::BindingResource::Buffer(buffer.clone()),
            })
            .collect();
        self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout,
            entries: &entries,
        })
    }

    /// Compiles `text`; what is wrong with it comes with the next [`check`](Self::check).
    pub(crate) fn module(&self, label: &str, text: String) -> wgpu::ShaderModule {
        self.device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(label),
            source: wgpu::ShaderSource::Wgsl(text.into()),
        })
    }

    fn pipeline_layout(&self, groups: &[&wgpu::BindGroupLayout]) -> wgpu::PipelineLayout {
        let groups: Vec<_> = groups.iter().copied().map(Some).collect();
        self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: None,
            bind_group_layouts: &groups,
            immediate_size: 0,
        })
    }

    pub(crate) fn compute_pipeline(
        &self,
        groups: &[&wgpu::BindGroupLayout],
        module: &wgpu::ShaderModule,
        entry: &str,
    ) -> wgpu::ComputePipeline {
        self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(entry),
            layout: Some(&self.pipeline_layout(groups)),
            module,
            entry_point: Some(entry),
            compilation_options: Default::default(),
            cache: None,
        })
    }

    /// Triangles of `vertex` with the colours of `fragment`, over what is there.
    pub(crate) fn render_pipeline(
        &self,
        groups: &[&wgpu::BindGroupLayout],
        module: &wgpu::ShaderModule,
        [vertex, fragment]: [&str; 2],
        format: wgpu::TextureFormat,
    ) -> wgpu::RenderPipeline {
        self.device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
            label: Some(fragment),
            layout: Some(&self.pipeline_layout(groups)),
            vertex: wgpu::VertexState {
                module,
                entry_point: Some(vertex),
                compilation_options: Default::default(),
                buffers: &[],
            },
            primitive: Default::default(),
            depth_stencil: None,
            multisample: Default::default(),
            fragment: Some(wgpu::FragmentState {
                module,
                entry_point: Some(fragment),
                compilation_options: Default::default(),
                targets: &[Some(wgpu::ColorTargetState {
                    format,
                    blend: Some(wgpu::BlendState::ALPHA_BLENDING),
                    write_mask: wgpu::ColorWrites::ALL,
                })],
            }),
            multiview_mask: None,
            cache: None,
        })
    }

    /// A buffer of zeros for shaders to write.
    pub(crate) fn storage(&self, label: &str, size: u64) -> wgpu::Buffer {
        self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size,
            usage: wgpu::BufferUsages::STORAGE,
            mapped_at_creation: false,
        })
    }
}
