//! Compiles kernels, each once a device.

use std::sync::PoisonError;

use super::device::Gpu;
use crate::error::Result;
use crate::operation::Kernel;

impl Gpu {
    /// The pipeline of a kernel, compiled when it is first asked for.
    pub(super) async fn pipeline(&self, kernel: &Kernel) -> Result<wgpu::ComputePipeline> {
        let compiled = || self.pipelines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipeline) = compiled().get(kernel) {
            return Ok(pipeline.clone());
        }
        let pipeline = self.scoped(|| Ok(self.compile(kernel))).await?;
        Ok(compiled().entry(kernel.clone()).or_insert(pipeline).clone())
    }

    fn compile(&self, kernel: &Kernel) -> wgpu::ComputePipeline {
        let label = format!("minibatch.{}", kernel.name);
        let mut source = kernel.source();
        if let Some(edit) = &self.edit {
            source = edit(kernel, source);
        }
        let descriptor = wgpu::ShaderModuleDescriptor {
            label: Some(&label),
            source: wgpu::ShaderSource::Wgsl(source.into()),
        };
        let module = if self.checked {
            self.device.create_shader_module(descriptor)
        } else {
            let checks = wgpu::ShaderRuntimeChecks::unchecked();
            // SAFETY: our kernels clamp or mask every index by the live rows and the shape in
            // their uniforms, which the executor computes from the sizes it allocated, and labels
            // by the number of classes; all loops are bounded by these. No edited text comes here.
            unsafe { self.device.create_shader_module_trusted(descriptor, checks) }
        };
        let layout = self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(&label),
            bind_group_layouts: &[Some(&self.bind_group_layout(kernel))],
            immediate_size: 0,
        });
        self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(&label),
            layout: Some(&layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &kernel.overrides().collect::<Vec<_>>(),
                zero_initialize_workgroup_memory: self.checked,
            },
            cache: None,
        })
    }

    fn bind_group_layout(&self, kernel: &Kernel) -> wgpu::BindGroupLayout {
        let buffer = |binding, ty| wgpu::BindingType::Buffer {
            ty,
            // Each step's scalars have a place of their own.
            has_dynamic_offset: binding == 0,
            min_binding_size: None,
        };
        let uniforms = [wgpu::BufferBindingType::Uniform; 2];
        let storage = kernel
            .bindings
            .iter()
            .map(|access| wgpu::BufferBindingType::Storage { read_only: access.is_read() });
        // Kernels that take everything from one uniform do not declare the other; an entry that
        // the shader does not use is allowed.
        let entries: Vec<_> = (0u32..)
            .zip(uniforms.into_iter().chain(storage))
            .map(|(binding, ty)| wgpu::BindGroupLayoutEntry {
                binding,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: buffer(binding, ty),
                count: None,
            })
            .collect();
        let label = format!("minibatch.{}", kernel.name);
        self.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some(&label),
            entries: &entries,
        })
    }
}
