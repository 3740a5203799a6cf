//! A wgpu application whose handlers notice whatever a guest lets through to them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use minibatch::Gpu;

/// A device as the host made it.
pub(crate) struct Host {
    #[allow(dead_code, reason = "each test takes what it needs")]
    pub(crate) instance: wgpu::Instance,
    pub(crate) device: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
    uncaptured: Arc<Mutex<Vec<String>>>,
    lost: Arc<AtomicBool>,
}

#[allow(dead_code, reason = "each test takes what it needs")]
impl Host {
    /// On the adapter that `WGPU_ADAPTER_NAME` names, else the first one; default limits, no feature.
    pub(crate) fn new() -> Self {
        Host::with(wgpu::Limits::default())
    }

    /// The same with other limits.
    pub(crate) fn with(limits: wgpu::Limits) -> Self {
        let descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
        let instance = wgpu::Instance::new(descriptor);
        let (device, queue) = pollster::block_on(async {
            let adapter = adapter(&instance).await;
            let descriptor =
                wgpu::DeviceDescriptor { required_limits: limits, ..Default::default() };
            adapter.request_device(&descriptor).await.unwrap()
        });
        let uncaptured: Arc<Mutex<Vec<String>>> = Arc::default();
        let lost: Arc<AtomicBool> = Arc::default();
        let errors = Arc::clone(&uncaptured);
        device.on_uncaptured_error(Arc::new(move |error| {
            errors.lock().unwrap().push(error.to_string());
        }));
        let flag = Arc::clone(&lost);
        device.set_device_lost_callback(move |_, _| flag.store(true, Ordering::Relaxed));
        Host { instance, device, queue, uncaptured, lost }
    }

    pub(crate) fn gpu(&self) -> Gpu {
        Gpu::from_device(self.device.clone(), self.queue.clone())
    }

    pub(crate) fn encoder(&self) -> wgpu::CommandEncoder {
        self.device.create_command_encoder(&Default::default())
    }

    /// Runs what was submitted to its end.
    pub(crate) fn wait(&self) {
        self.device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
    }

    /// Whether the host was told that its device is lost: by its own callback, which nobody has taken
    /// away.
    pub(crate) fn was_told_of_loss(&self) -> bool {
        // It is called when nothing is under way any more.
        let _ = self.device.poll(wgpu::PollType::wait_indefinitely());
        self.lost.load(Ordering::Relaxed)
    }

    /// What has reached the host's handler of uncaptured errors.
    pub(crate) fn uncaptured(&self) -> Vec<String> {
        self.uncaptured.lock().unwrap().clone()
    }
}

async fn adapter(instance: &wgpu::Instance) -> wgpu::Adapter {
    let wanted = std::env::var("WGPU_ADAPTER_NAME").unwrap_or_default().to_lowercase();
    let adapters = instance.enumerate_adapters(wgpu::Backends::all()).await;
    let named = |adapter: &wgpu::Adapter| adapter.get_info().name.to_lowercase().contains(&wanted);
    adapters.into_iter().find(named).unwrap_or_else(|| {
        panic!("no adapter is called {wanted:?}; run: apt-get install -y mesa-vulkan-drivers")
    })
}
