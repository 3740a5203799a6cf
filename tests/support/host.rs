//! A host with a device of its own, which runs compute shaders beside the engine.

use minibatch::Gpu;
use minibatch::gpu::NetworkShader;
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
    #[allow(dead_code, reason = "not every suite has shaders without a network")]
    pub(crate) fn computed(
        &self,
        text: &str,
        resources: &[wgpu::BindingResource<'_>],
        values: usize,
        workgroups: usize,
    ) -> Vec<f32> {
        let module = self.device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: None,
            source: wgpu::ShaderSource::Wgsl(text.into()),
        });
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: None,
            layout: None,
            module: &module,
            entry_point: Some("main"),
            compilation_options: Default::default(),
            cache: None,
        });
        self.dispatched(&pipeline, values, workgroups, |result| {
            let resources = resources.iter().cloned().chain([result.as_entire_binding()]);
            let entries = (0..).zip(resources);
            let entries: Vec<_> = entries
                .map(|(binding, resource)| wgpu::BindGroupEntry { binding, resource })
                .collect();
            vec![self.device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: None,
                layout: &pipeline.get_bind_group_layout(0),
                entries: &entries,
            })]
        })
    }

    /// What a pipeline writes to a buffer of so many floats, which `groups` binds.
    fn dispatched(
        &self,
        pipeline: &wgpu::ComputePipeline,
        values: usize,
        workgroups: usize,
        groups: impl FnOnce(&wgpu::Buffer) -> Vec<wgpu::BindGroup>,
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
        let mut encoder = device.create_command_encoder(&Default::default());
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(pipeline);
        for (number, group) in (0..).zip(&groups(&result)) {
            pass.set_bind_group(number, group, &[]);
        }
        pass.dispatch_workgroups(workgroups as u32, 1, 1);
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

/// A compute shader of the host's with a network's function in it.
#[allow(dead_code, reason = "not every suite has networks")]
pub(crate) struct Pasted<'a> {
    host: &'a Host,
    pipeline: wgpu::ComputePipeline,
    /// The network's own group.
    network: wgpu::BindGroup,
    layout: wgpu::BindGroupLayout,
    inputs: usize,
    outputs: usize,
}

impl Host {
    /// A shader that computes `call(x)` for rows of inputs, from `text` and the network's bindings.
    #[allow(dead_code, reason = "not every suite has networks")]
    pub(crate) fn pasted(&self, text: &str, call: &str, network: &NetworkShader) -> Pasted<'_> {
        let NetworkShader { inputs, outputs, .. } = *network;
        let own = format!(
            "@group(0) @binding(0) var<storage, read> given: array<f32>;
             @group(0) @binding(1) var<storage, read_write> results: array<f32>;
             @compute @workgroup_size(64)
             fn main(@builtin(global_invocation_id) id: vec3<u32>) {{
                 if (id.x * {outputs}u >= arrayLength(&results)) {{ return; }}
                 var x: array<f32, {inputs}>;
                 for (var i = 0u; i < {inputs}u; i++) {{ x[i] = given[id.x * {inputs}u + i]; }}
                 var y = {call};
                 for (var i = 0u; i < {outputs}u; i++) {{ results[id.x * {outputs}u + i] = y[i]; }}
             }}"
        );
        let device = &self.device;
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: None,
            source: wgpu::ShaderSource::Wgsl(format!("{own}\n{text}").into()),
        });
        let group = |entries: &[wgpu::BindGroupLayoutEntry]| {
            let descriptor = wgpu::BindGroupLayoutDescriptor { label: None, entries };
            device.create_bind_group_layout(&descriptor)
        };
        let storage = |binding, read_only| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer {
                ty: wgpu::BufferBindingType::Storage { read_only },
                has_dynamic_offset: false,
                min_binding_size: None,
            },
            count: None,
        };
        let layout = group(&[storage(0, true), storage(1, false)]);
        let of_network = group(&network.layout_entries(wgpu::ShaderStages::COMPUTE));
        assert_eq!(network.group, 1);
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: None,
            bind_group_layouts: &[Some(&layout), Some(&of_network)],
            immediate_size: 0,
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: None,
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: Default::default(),
            cache: None,
        });
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &of_network,
            entries: &network.entries(),
        });
        Pasted { host: self, pipeline, network: group, layout, inputs, outputs }
    }
}

#[allow(dead_code, reason = "not every suite has networks")]
impl Pasted<'_> {
    /// What the function returns for each row of `inputs`.
    pub(crate) fn run(&self, inputs: &[f32]) -> Vec<f32> {
        let rows = inputs.len() / self.inputs;
        let given = self.host.buffer(inputs);
        self.host.dispatched(&self.pipeline, rows * self.outputs, rows.div_ceil(64), |result| {
            let group = self.host.device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: None,
                layout: &self.layout,
                entries: &[
                    wgpu::BindGroupEntry { binding: 0, resource: given.as_entire_binding() },
                    wgpu::BindGroupEntry { binding: 1, resource: result.as_entire_binding() },
                ],
            });
            vec![group, self.network.clone()]
        })
    }
}
