//! Compiles kernels, each once a device, several at a time where there are threads.

use std::sync::PoisonError;

use super::device::Gpu;
use super::kernel_limits::check_kernel;
use crate::error::Result;
use crate::operation::Kernel;

impl Gpu {
    /// The same device, compiling kernels on up to so many threads, of which the calling one is
    /// the first; 0 is taken as 1. It is as many as there are cores unless told. In a browser there
    /// is one. What is compiled does not depend on it.
    pub fn with_compile_threads(mut self, threads: usize) -> Self {
        self.compile_threads = threads.max(1);
        self
    }

    /// The kernels that were compiled so far, for all models on the device and its clones, in no
    /// particular order.
    pub fn compiled_kernels(&self) -> Vec<Kernel> {
        self.pipelines.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// The pipeline of a kernel, compiled if it is not yet.
    pub(super) async fn pipeline(&self, kernel: &Kernel) -> Result<wgpu::ComputePipeline> {
        if let Some(pipeline) = self.compiled(kernel) {
            return Ok(pipeline);
        }
        check_kernel(&self.limits(), kernel, 0)?;
        let pipeline = self.scoped(|| Ok(self.compile(kernel))).await?;
        Ok(self.keep(kernel, pipeline))
    }

    /// Compiles those of `kernels` that are not compiled yet, so that [`pipeline`](Self::pipeline)
    /// finds them.
    ///
    /// # Errors
    /// What the device says against the first kernel that it refuses.
    pub(super) async fn compile_all<'k>(
        &self,
        kernels: impl IntoIterator<Item = &'k Kernel>,
    ) -> Result<()> {
        let mut missing: Vec<&Kernel> = Vec::new();
        for kernel in kernels {
            if !missing.contains(&kernel) && self.compiled(kernel).is_none() {
                check_kernel(&self.limits(), kernel, 0)?;
                missing.push(kernel);
            }
        }
        #[cfg(not(target_arch = "wasm32"))]
        {
            for (kernel, pipeline) in missing.iter().zip(self.compile_on_threads(&missing)) {
                self.keep(kernel, pipeline?);
            }
        }
        #[cfg(target_arch = "wasm32")]
        for kernel in missing {
            self.pipeline(kernel).await?;
        }
        Ok(())
    }

    fn compiled(&self, kernel: &Kernel) -> Option<wgpu::ComputePipeline> {
        self.pipelines.lock().unwrap_or_else(PoisonError::into_inner).get(kernel).cloned()
    }

    /// The pipeline that was compiled first stays.
    fn keep(&self, kernel: &Kernel, pipeline: wgpu::ComputePipeline) -> wgpu::ComputePipeline {
        let mut pipelines = self.pipelines.lock().unwrap_or_else(PoisonError::into_inner);
        pipelines.entry(kernel.clone()).or_insert(pipeline).clone()
    }

    /// The pipelines of `kernels`, in their order. Each thread takes the next kernel that none has
    /// taken.
    #[cfg(not(target_arch = "wasm32"))]
    fn compile_on_threads(&self, kernels: &[&Kernel]) -> Vec<Result<wgpu::ComputePipeline>> {
        use std::sync::atomic::{AtomicUsize, Ordering};

        let next = AtomicUsize::new(0);
        let work = || {
            let mut done = Vec::new();
            loop {
                let place = next.fetch_add(1, Ordering::Relaxed);
                let Some(kernel) = kernels.get(place) else { return done };
                // An error scope belongs to the thread that opened it, so each kernel has its own.
                done.push((place, self.guarded(|| Ok(self.compile(kernel)))));
            }
        };
        let others = self.compile_threads.min(kernels.len()).saturating_sub(1);
        let mut done = std::thread::scope(|scope| {
            // Where the system gives no more threads, those that there are do the work.
            let others: Vec<_> = (0..others)
                .map_while(|_| {
                    let thread = std::thread::Builder::new().name("minibatch compile".into());
                    thread.spawn_scoped(scope, work).ok()
                })
                .collect();
            let mut done = work();
            for other in others {
                match other.join() {
                    Ok(more) => done.extend(more),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            done
        });
        done.sort_by_key(|&(place, _)| place);
        done.into_iter().map(|(_, pipeline)| pipeline).collect()
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
            cache: self.pipeline_cache.as_ref(),
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
