//! A host with a device of its own, which runs compute shaders beside the engine.

use minibatch::Gpu;
use wgpu::util::DeviceExt;

pub(crate) struct Host {
    pub(crate) device: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
}

/// The adapter that `WGPU_ADAPTER_NAME` names, else wgpu's own choice.
pub(crate) fn adapter() -> wgpu::Adapter {
    let descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
    let instance = wgpu::Instance::new(descriptor);
    let adapter = wgpu::util::initialize_adapter_from_env_or_default(&instance, None);
    pollster::block_on(adapter)
        .unwrap_or_else(|error| panic!("{error}; run: apt-get install -y mesa-vulkan-drivers"))
}

#[allow(dead_code, reason = "no test uses all of it")]
impl Host {
    /// A device as a plain WebGPU application has it: default limits, no feature.
    pub(crate) fn with_default_limits() -> Self {
        let host = Self::with(wgpu::Features::empty(), wgpu::Limits::default());
        assert_eq!(host.device.limits().min_storage_buffer_offset_alignment, 256);
        host
    }

    /// A device with these features and limits.
    pub(crate) fn with(features: wgpu::Features, limits: wgpu::Limits) -> Self {
        let descriptor = wgpu::DeviceDescriptor {
            required_features: features,
            required_limits: limits,
            ..wgpu::DeviceDescriptor::default()
        };
        let (device, queue) = pollster::block_on(adapter().request_device(&descriptor)).unwrap();
        Host { device, queue }
    }

    pub(crate) fn gpu(&self) -> Gpu {
        Gpu::from_device(self.device.clone(), self.queue.clone())
    }

    /// What `text` writes to its last binding of group 0, which is of so many floats, in so many
    /// workgroups; `resources` are the bindings before it.
    pub(crate) fn computed(
        &self,
        text: &str,
        resources: &[wgpu::BindingResource<'_>],
        values: usize,
        workgroups: u32,
    ) -> Vec<f32> {
        let Host { device, queue } = self;
        let bytes = values as u64 * 4;
        let buffer = |usage| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size: bytes,
                usage,
                mapped_at_creation: false,
            })
        };
        let result = buffer(wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC);
        let read = buffer(wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST);
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: None,
            source: wgpu::ShaderSource::Wgsl(text.into()),
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: None,
            layout: None,
            module: &module,
            entry_point: Some("main"),
            compilation_options: Default::default(),
            cache: None,
        });
        let resources = resources.iter().cloned().chain([result.as_entire_binding()]);
        let entries = (0..).zip(resources);
        let entries: Vec<_> =
            entries.map(|(binding, resource)| wgpu::BindGroupEntry { binding, resource }).collect();
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &pipeline.get_bind_group_layout(0),
            entries: &entries,
        });
        let mut encoder = device.create_command_encoder(&Default::default());
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(&pipeline);
        pass.set_bind_group(0, &group, &[]);
        pass.dispatch_workgroups(workgroups, 1, 1);
        drop(pass);
        encoder.copy_buffer_to_buffer(&result, 0, &read, 0, bytes);
        encoder.map_buffer_on_submit(&read, wgpu::MapMode::Read, .., |mapped| mapped.unwrap());
        queue.submit([encoder.finish()]);
        device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
        let view = read.get_mapped_range(..).unwrap();
        bytemuck::pod_collect_to_vec(&view)
    }

    /// A buffer of these floats that shaders read.
    pub(crate) fn buffer(&self, values: &[f32]) -> wgpu::Buffer {
        self.buffer_of(bytemuck::cast_slice(values))
    }

    /// A buffer of these bytes, and of zeros up to a multiple of four, that shaders read.
    pub(crate) fn buffer_of(&self, bytes: &[u8]) -> wgpu::Buffer {
        let mut contents = bytes.to_vec();
        contents.resize(bytes.len().next_multiple_of(4), 0);
        self.device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: None,
            contents: &contents,
            usage: wgpu::BufferUsages::STORAGE,
        })
    }
}
