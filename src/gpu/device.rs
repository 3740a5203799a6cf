//! A device and its queue: ours or the host's.
//!
//! # Who polls
//! What comes back from a native device (a read, an upload slot that is free again) comes by a
//! callback, and wgpu calls it only while somebody polls the device. Async functions never wait in a
//! poll; at most they take a look at what has come back already.
//!
//! | setting | who polls |
//! |---|---|
//! | a program with a device of ours ([`Gpu::new`]) that awaits | a thread of short polls, which lives only while something is awaited |
//! | a blocking function (`fit`, `weight`, [`block_on`](super::block_on)) | the thread that it blocks, whosever device it is |
//! | a guest on the host's device ([`Gpu::from_device`]) that awaits | the host, as it does once a frame anyway |
//! | the browser | the browser |
//!
//! On a host's device even a blocking function only takes short looks: a thread that waits inside
//! `Device::poll` would keep the host from presenting its frame.

use std::collections::HashMap;
use std::num::NonZero;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use wgpu::{AdapterInfo, Device, Limits, Queue};

use super::adapter::{self, Which};
use super::failure::{Failure, Failures, internal};
use super::faults::Faults;
use super::kernel_limits::beyond;
use super::optional::unmasked;
#[cfg(not(target_arch = "wasm32"))]
use super::polling::{Poller, block_on};
use crate::error::{Error, Result};
use crate::operation::{
    Adapter, AdapterClass, DeviceModel, FusedSteps, Kernel, KernelForm, KernelForms, MatrixForm,
};

/// Replaces the WGSL text of a kernel before it is compiled.
pub type ShaderEdit = dyn Fn(&Kernel, String) -> String + Send + Sync;

/// What a device of ours has if its adapter does: `optional.rs` says what is done without.
const FEATURES: wgpu::Features = wgpu::Features::SUBGROUP
    .union(wgpu::Features::PIPELINE_CACHE)
    .union(wgpu::Features::SHADER_F16);

/// A GPU to build models on. Clones share the device.
#[derive(Clone)]
pub struct Gpu {
    pub(super) device: Device,
    pub(super) queue: Queue,
    info: Arc<AdapterInfo>,
    adapter: Adapter,
    pub(super) checked: bool,
    pub(super) edit: Option<Arc<ShaderEdit>>,
    memory_budget: u64,
    submit_time: Duration,
    /// Whether the device is ours.
    own: bool,
    pub(super) failures: Failures,
    /// Polls a device of ours while something is awaited; a host polls its own.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) poller: Option<Arc<Poller>>,
    // Shared by all executors on the device: each kernel is compiled once.
    pub(super) pipelines: Arc<Mutex<HashMap<Kernel, wgpu::ComputePipeline>>>,
    /// What the driver keeps of them; `None` unless asked for.
    pub(super) pipeline_cache: Option<wgpu::PipelineCache>,
    /// Threads that compile kernels; a browser has one.
    pub(super) compile_threads: usize,
    /// What the labels of a model's objects begin with; empty or with a dot at its end.
    pub(super) label_prefix: Arc<str>,
    /// How many upload slots a model has, if that was chosen.
    pub(crate) upload_slots: Option<usize>,
    /// What a test lets go wrong.
    pub(super) faults: Option<Arc<Faults>>,
}

impl std::fmt::Debug for Gpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gpu")
            .field("info", &self.info)
            .field("adapter", &self.adapter)
            .finish_non_exhaustive()
    }
}

impl Gpu {
    /// The best adapter of this machine: discrete, integrated, virtual, else software. To try what runs
    /// on adapters that lack optional features, the environment variable
    /// `MINIBATCH_MASK_FEATURES=all` makes the device without them; it also takes a list of `subgroup`,
    /// `shader-f16`, `pipeline-cache` and `timestamp-query`.
    ///
    /// # Errors
    /// [`Error::NoAdapter`] if there is none; [`Error::Device`] if it gives no device.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn new() -> Result<Self> {
        block_on(Self::new_async(None))
    }

    /// The best adapter whose name contains `name`, in any case.
    ///
    /// # Errors
    /// [`Error::NoAdapter`], naming those that exist, if none does.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn with_adapter(name: &str) -> Result<Self> {
        block_on(Self::new_async(Some(name)))
    }

    /// The adapter at that place of [`adapters`](super::adapters), from 0: one of several that have the same
    /// name.
    ///
    /// # Errors
    /// [`Error::NoAdapter`], naming those that exist, if there are fewer.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn at(place: usize) -> Result<Self> {
        block_on(Self::at_async(place))
    }

    /// [`new`](Self::new) or, with a name, [`with_adapter`](Self::with_adapter), on a device with
    /// timestamp queries if the adapter has them: a [`Profile`](crate::Profile) then has each
    /// kernel's time.
    ///
    /// # Errors
    /// As these.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn with_timestamps(name: Option<&str>) -> Result<Self> {
        block_on(Self::with_timestamps_async(name))
    }

    /// [`new`](Self::new) or, with a name, [`with_adapter`](Self::with_adapter).
    ///
    /// # Errors
    /// As these.
    pub async fn new_async(name: Option<&str>) -> Result<Self> {
        Self::open(name.into(), FEATURES).await
    }

    /// [`at`](Self::at), awaited.
    ///
    /// # Errors
    /// As it.
    pub async fn at_async(place: usize) -> Result<Self> {
        Self::open(Which::At(place), FEATURES).await
    }

    /// [`with_timestamps`](Self::with_timestamps), awaited.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub async fn with_timestamps_async(name: Option<&str>) -> Result<Self> {
        Self::open(name.into(), FEATURES | wgpu::Features::TIMESTAMP_QUERY).await
    }

    /// A device of ours, with those of `features` that the adapter has.
    async fn open(which: Which<'_>, features: wgpu::Features) -> Result<Self> {
        let adapter = adapter::choose(which).await?;
        let features = unmasked(features)?;
        let (device, queue) = adapter
            .request_device(&wgpu::DeviceDescriptor {
                label: Some("minibatch"),
                required_features: adapter.features() & features,
                required_limits: adapter.limits(),
                memory_hints: wgpu::MemoryHints::MemoryUsage,
                ..Default::default()
            })
            .await
            .map_err(internal)?;
        let mut gpu = Self::from_device(device, queue);
        gpu.own = true;
        #[cfg(not(target_arch = "wasm32"))]
        {
            gpu.poller = Some(Poller::new(gpu.device.clone()));
        }
        // The device is ours, so wgpu's default of a panic can be replaced by a typed error.
        let failures = gpu.failures.clone();
        gpu.device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            let failed = match error {
                wgpu::Error::OutOfMemory { .. } => Failure::OutOfMemory,
                wgpu::Error::Validation { description, .. }
                | wgpu::Error::Internal { description, .. } => Failure::Other(description),
            };
            failures.note(failed);
        }));
        let failures = gpu.failures.clone();
        gpu.device.set_device_lost_callback(move |reason, message| {
            failures.note(Failure::Lost(format!("{reason:?} {message}")));
        });
        Ok(gpu)
    }

    /// The host's own device and queue. Nothing is installed on the device, no feature is
    /// asked of it, and its limits are kept.
    pub fn from_device(device: Device, queue: Queue) -> Self {
        let info = Arc::new(device.adapter_info());
        let mut adapter = Adapter::new(adapter::adapter_class(&info, device.features()))
            .with_model(adapter::device_model(&info));
        adapter.without = beyond(&device.limits());
        let checked = std::env::var_os("MINIBATCH_CHECKED_SHADERS").is_some_and(|v| v != "0");
        Gpu {
            device,
            queue,
            info,
            adapter,
            checked,
            edit: None,
            memory_budget: Self::MEMORY_BUDGET,
            submit_time: Self::SUBMIT_TIME,
            own: false,
            failures: Failures::default(),
            #[cfg(not(target_arch = "wasm32"))]
            poller: None,
            pipelines: Arc::default(),
            pipeline_cache: None,
            compile_threads: std::thread::available_parallelism().map_or(1, NonZero::get),
            label_prefix: Arc::default(),
            upload_slots: None,
            faults: None,
        }
    }

    /// The same device with all matrix kernels in one form, and other kernels as on adapters that
    /// this form is written for: to try what this adapter would not be given.
    ///
    /// # Errors
    /// [`Error::Argument`] if they would compute wrong numbers here: those with subgroups need
    /// subgroups of one size, and others may have been [ruled out](Self::without_forms).
    pub fn with_matrix_form(mut self, form: MatrixForm) -> Result<Self> {
        if !adapter::runs(&self.info, self.device.features(), form) {
            let problem = format!(
                "{form:?} needs the feature SUBGROUP and subgroups of {}; {} has {} to {}",
                MatrixForm::SUBGROUP_SIZE,
                self.info.name,
                self.info.subgroup_min_size,
                self.info.subgroup_max_size
            );
            return Err(Error::argument("form", problem));
        }
        if !self.adapter.may_use(KernelForm::Matrix(form)) {
            let problem = format!("{form:?} was ruled out on {}", self.info.name);
            return Err(Error::argument("form", problem));
        }
        self.adapter = Adapter { without: self.adapter.without, ..Adapter::with_form(form) };
        Ok(self)
    }

    /// The same device without these forms of kernels, whose results are wrong there: others take their
    /// place, and without [`Halves`](KernelForm::Halves) half precision is refused. `mnist-gpu verify`
    /// finds out which, and so does [`parity::probe`](crate::parity::probe) in a program of your own. Those
    /// that were ruled out before stay so.
    #[must_use]
    pub fn without_forms(mut self, forms: impl IntoIterator<Item = KernelForm>) -> Self {
        self.adapter.without.extend(forms);
        self
    }

    /// The forms that are [ruled out](Self::without_forms) here.
    pub fn ruled_out(&self) -> KernelForms {
        self.adapter.without
    }

    /// The same device, which [fuses](FusedSteps) such training steps.
    pub fn with_fused_steps(mut self, steps: FusedSteps) -> Self {
        self.adapter.fused_steps = steps;
        self
    }

    /// The same device with the kernels that a GPU of that model is given, chosen for each step by its
    /// rows: to try on any adapter what runs on others.
    pub fn planned_as(mut self, model: DeviceModel) -> Self {
        let without = self.adapter.without;
        self.adapter =
            Adapter { without, ..Adapter::new(AdapterClass::Hardware).with_model(model) };
        self
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

    /// Bytes of the device's memory that the batches of a model may take, beside its parameters, unless
    /// [told](Self::with_memory_budget): 2 GiB. WebGPU does not say how much memory a device has.
    pub const MEMORY_BUDGET: u64 = 2 << 30;

    /// The same device with another bound on the memory that the batches of a model take there. Larger
    /// ones run in parts, and data stay on the host that take more than a quarter of it.
    pub fn with_memory_budget(mut self, bytes: u64) -> Self {
        self.memory_budget = bytes;
        self
    }

    /// Bytes that the batches of a model may take; [`MEMORY_BUDGET`](Self::MEMORY_BUDGET) unless told.
    pub fn memory_budget(&self) -> u64 {
        self.memory_budget
    }

    /// The longest that one submission of several steps should take the device, unless
    /// [told](Self::with_submit_time): 100 ms. Drivers give up on what takes seconds.
    pub const SUBMIT_TIME: Duration = Duration::from_millis(100);

    /// The same device with another time that a submission of several steps should not exceed: less
    /// where a display waits for the same device. How many steps it holds, at most
    /// [`steps_per_submit`](crate::Fit::steps_per_submit), follows from the time that those before
    /// have taken, and at first it holds one; with [`Duration::MAX`] nothing is measured. It changes
    /// no bit. A step that takes longer is submitted by itself.
    pub fn with_submit_time(mut self, longest: Duration) -> Self {
        self.submit_time = longest;
        self
    }

    /// The longest that a submission of several steps should take;
    /// [`SUBMIT_TIME`](Self::SUBMIT_TIME) unless told.
    pub fn submit_time(&self) -> Duration {
        self.submit_time
    }

    /// Steps on rows that lie on the device which are submitted together, unless a call says
    /// otherwise: 50 on a device of ours, 1 on a host's ([`from_device`](Self::from_device)), which
    /// has other work.
    pub fn steps_per_submit(&self) -> usize {
        if self.own { 50 } else { 1 }
    }

    /// What wgpu tells of the adapter.
    pub fn info(&self) -> &AdapterInfo {
        &self.info
    }

    /// True if it computes on the CPU, such as Mesa's lavapipe.
    pub fn is_software(&self) -> bool {
        adapter::is_software(&self.info)
    }

    /// Whether kernels can store f16 here, as [`Precision::MixedFloat16`](crate::Precision) needs:
    /// the device has the feature [`SHADER_F16`](wgpu::Features::SHADER_F16), which
    /// [`new`](Self::new) asks for where the adapter has it, and what it stores was not found
    /// [wrong](Self::without_forms).
    pub fn has_halves(&self) -> bool {
        self.device.features().contains(wgpu::Features::SHADER_F16)
            && self.adapter.may_use(KernelForm::Halves)
    }

    /// Whether kernels can use subgroups here: the device has the feature
    /// [`SUBGROUP`](wgpu::Features::SUBGROUP).
    pub fn has_subgroups(&self) -> bool {
        self.device.features().contains(wgpu::Features::SUBGROUP)
    }

    /// Whether the device was made with timestamp queries, as
    /// [`with_timestamps`](Self::with_timestamps) makes it where the adapter has them.
    pub fn has_timestamps(&self) -> bool {
        self.device.features().contains(wgpu::Features::TIMESTAMP_QUERY)
    }

    /// What the adapter is for those who choose kernels.
    pub fn adapter_class(&self) -> AdapterClass {
        self.adapter.class
    }

    /// What dispatches are planned for.
    pub(crate) fn adapter(&self) -> Adapter {
        self.adapter
    }

    /// All forms of matrix kernels that compute right numbers here, for
    /// [`with_matrix_form`](Self::with_matrix_form).
    pub fn matrix_forms(&self) -> Vec<MatrixForm> {
        let runs = |form: &MatrixForm| {
            adapter::runs(&self.info, self.device.features(), *form)
                && self.adapter.may_use(KernelForm::Matrix(*form))
        };
        MatrixForm::ALL.into_iter().filter(runs).collect()
    }

    /// Whether there is a form of matrix kernels that models can be given here; false where all were
    /// [ruled out](Self::without_forms), and then no dense layer can be built.
    pub fn has_matrix_form(&self) -> bool {
        self.adapter.usual_form().is_ok()
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

    /// The same device, on which `faults` happen.
    #[doc(hidden)]
    pub fn with_faults(mut self, faults: &Arc<Faults>) -> Self {
        self.faults = Some(Arc::clone(faults));
        self
    }
}
