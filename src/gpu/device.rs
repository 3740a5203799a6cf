//! A device and its queue: ours or the host's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use wgpu::{AdapterInfo, Device, ErrorFilter, Limits, Queue, SubmissionIndex};

use super::adapter;
use crate::error::{Error, Result};
use crate::operation::{Kernel, KernelClass};

/// Replaces the WGSL text of a kernel before it is compiled.
pub type ShaderEdit = dyn Fn(&Kernel, String) -> String + Send + Sync;

/// A GPU to build models on. Clones share the device.
#[derive(Clone)]
pub struct Gpu {
    pub(super) device: Device,
    pub(super) queue: Queue,
    info: Arc<AdapterInfo>,
    class: KernelClass,
    pub(super) checked: bool,
    pub(super) edit: Option<Arc<ShaderEdit>>,
    failure: Arc<Mutex<Option<String>>>,
    // Shared by all executors on the device: each kernel is compiled once.
    pub(super) pipelines: Arc<Mutex<HashMap<Kernel, wgpu::ComputePipeline>>>,
}

impl std::fmt::Debug for Gpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gpu")
            .field("info", &self.info)
            .field("class", &self.class)
            .finish_non_exhaustive()
    }
}

impl Gpu {
    /// The best adapter of this machine: discrete, integrated, virtual, else software.
    ///
    /// # Errors
    /// [`Error::NoAdapter`] if there is none; [`Error::Device`] if it gives no device.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn new() -> Result<Self> {
        pollster::block_on(Self::new_async(None))
    }

    /// The best adapter whose name contains `name`, in any case.
    ///
    /// # Errors
    /// [`Error::NoAdapter`], naming those that exist, if none does.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn with_adapter(name: &str) -> Result<Self> {
        pollster::block_on(Self::new_async(Some(name)))
    }

    /// [`new`](Self::new) or, with a name, [`with_adapter`](Self::with_adapter).
    ///
    /// # Errors
    /// As these.
    pub async fn new_async(name: Option<&str>) -> Result<Self> {
        let adapter = adapter::choose(name).await?;
        let (device, queue) = adapter
            .request_device(&wgpu::DeviceDescriptor {
                label: Some("minibatch"),
                // Only software adapters use it, and each feature has a path without it.
                required_features: adapter.features() & wgpu::Features::SUBGROUP,
                required_limits: adapter.limits(),
                memory_hints: wgpu::MemoryHints::MemoryUsage,
                ..Default::default()
            })
            .await
            .map_err(|error| Error::Device(error.to_string()))?;
        let gpu = Self::from_device(device, queue);
        // The device is ours, so wgpu's default of a panic can be replaced by a typed error.
        let failure = Arc::clone(&gpu.failure);
        gpu.device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            note(&failure, error.to_string());
        }));
        let failure = Arc::clone(&gpu.failure);
        gpu.device.set_device_lost_callback(move |reason, message| {
            note(&failure, format!("the device was lost ({reason:?}): {message}"));
        });
        Ok(gpu)
    }

    /// The host's own device and queue. Nothing is installed on the device, no feature is
    /// asked of it, and its limits are kept.
    pub fn from_device(device: Device, queue: Queue) -> Self {
        let info = Arc::new(device.adapter_info());
        let class = adapter::kernel_class(&info, device.features());
        let checked = std::env::var_os("MINIBATCH_CHECKED_SHADERS").is_some_and(|v| v != "0");
        Gpu {
            device,
            queue,
            info,
            class,
            checked,
            edit: None,
            failure: Arc::default(),
            pipelines: Arc::default(),
        }
    }

    /// The same device with the matrix kernels of `class`, to try those that this kind of
    /// adapter would not be given.
    ///
    /// # Errors
    /// [`Error::Argument`] if they would compute wrong numbers here: those with subgroups need
    /// subgroups of one size.
    pub fn with_kernel_class(mut self, class: KernelClass) -> Result<Self> {
        if !adapter::runs(&self.info, self.device.features(), class) {
            let problem = format!(
                "{class:?} needs the feature SUBGROUP and subgroups of {}; {} has {} to {}",
                KernelClass::SUBGROUP_SIZE,
                self.info.name,
                self.info.subgroup_min_size,
                self.info.subgroup_max_size
            );
            return Err(Error::argument("class", problem));
        }
        self.class = class;
        Ok(self)
    }

    /// The same device with (or without) wgpu's run-time checks compiled into the kernels:
    /// bounds, endless loops, zeroed workgroup memory. Off by default; the environment variable
    /// `MINIBATCH_CHECKED_SHADERS=1` turns them on.
    pub fn with_checked_shaders(mut self, checked: bool) -> Self {
        self.checked = checked || self.edit.is_some();
        self.pipelines = Arc::default();
        self
    }

    /// The same device, compiling what `edit` makes of each kernel's text, with wgpu's run-time
    /// checks: how the tests prove that a broken kernel is caught.
    #[doc(hidden)]
    pub fn with_shader_edit(mut self, edit: Arc<ShaderEdit>) -> Self {
        self.edit = Some(edit);
        // An edited index must not reach other memory.
        self.checked = true;
        self.pipelines = Arc::default();
        self
    }

    /// What wgpu tells of the adapter.
    pub fn info(&self) -> &AdapterInfo {
        &self.info
    }

    /// True if it computes on the CPU, such as Mesa's lavapipe.
    pub fn is_software(&self) -> bool {
        adapter::is_software(&self.info)
    }

    /// Which matrix kernels it runs.
    pub fn kernel_class(&self) -> KernelClass {
        self.class
    }

    /// All matrix kernels that compute right numbers here, for
    /// [`with_kernel_class`](Self::with_kernel_class).
    pub fn kernel_classes(&self) -> Vec<KernelClass> {
        let runs = |class: &KernelClass| adapter::runs(&self.info, self.device.features(), *class);
        KernelClass::ALL.into_iter().filter(runs).collect()
    }

    /// Name, driver and, for a software adapter, that it is one.
    pub fn describe(&self) -> String {
        let AdapterInfo { name, driver, driver_info, backend, .. } = self.info();
        let software = if self.is_software() { ", a software adapter: no GPU" } else { "" };
        format!("{name} ({backend}, {driver} {driver_info}{software})")
    }

    /// Most terms that one output of a kernel may be a sum of.
    pub(super) fn most_terms(&self) -> usize {
        adapter::most_terms(&self.info)
    }

    pub(super) fn limits(&self) -> Limits {
        self.device.limits()
    }

    /// The first error that wgpu reported outside a call of ours, if any.
    pub(super) fn check(&self) -> Result<()> {
        match &*self.failure.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(message) => Err(Error::Device(message.clone())),
            None => Ok(()),
        }
    }

    /// Runs `work` and reports what wgpu has to say against it, without a device-wide handler.
    pub(super) async fn scoped<R>(&self, work: impl FnOnce() -> Result<R>) -> Result<R> {
        let filters = [ErrorFilter::Validation, ErrorFilter::OutOfMemory, ErrorFilter::Internal];
        let guards = filters.map(|filter| self.device.push_error_scope(filter));
        let result = work();
        let mut first = None;
        // Scopes are a stack: the last one pushed is the first to go.
        let pops: Vec<_> = guards.into_iter().rev().map(wgpu::ErrorScopeGuard::pop).collect();
        for pop in pops {
            first = first.or(pop.await);
        }
        match first {
            Some(error) => Err(Error::Device(error.to_string())),
            None => result,
        }
    }

    /// [`scoped`](Self::scoped) for the work of every step. On the web an error scope is answered
    /// by another process, which a step must not wait for; there it goes without, as an error
    /// that nobody handles is no panic there.
    pub(super) fn guarded<R>(&self, work: impl FnOnce() -> Result<R>) -> Result<R> {
        #[cfg(target_arch = "wasm32")]
        return work();
        #[cfg(not(target_arch = "wasm32"))]
        pollster::block_on(self.scoped(work))
    }

    /// Waits until a submission (or, without one, all) is done. On the web this returns at once,
    /// and the caller awaits the callback instead.
    pub(super) fn wait(&self, submission: Option<SubmissionIndex>) -> Result<()> {
        let poll = wgpu::PollType::Wait { submission_index: submission, timeout: None };
        self.device.poll(poll).map_err(|error| Error::Device(error.to_string()))?;
        self.check()
    }

    /// Lets callbacks of finished work run, without waiting.
    pub(super) fn poll(&self) -> Result<()> {
        self.device.poll(wgpu::PollType::Poll).map_err(|error| Error::Device(error.to_string()))?;
        self.check()
    }
}

fn note(failure: &Mutex<Option<String>>, message: String) {
    failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(message);
}
