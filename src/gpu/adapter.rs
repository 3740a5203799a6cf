//! Finding an adapter.

use wgpu::{Adapter, AdapterInfo, DeviceType, Instance, InstanceDescriptor};

use crate::error::{Error, Result};

/// What wgpu tells of the adapters of this machine, best first: discrete, integrated, virtual,
/// then software.
pub async fn adapters() -> Vec<AdapterInfo> {
    ranked().await.iter().map(Adapter::get_info).collect()
}

/// True for an adapter that computes on the CPU, such as Mesa's lavapipe.
pub fn is_software(info: &AdapterInfo) -> bool {
    info.device_type == DeviceType::Cpu
}

async fn ranked() -> Vec<Adapter> {
    let instance = Instance::new(InstanceDescriptor::new_without_display_handle_from_env());
    let mut adapters = instance.enumerate_adapters(wgpu::Backends::all()).await;
    // The sort is stable: among equals the driver's order stays.
    adapters.sort_by_key(|adapter| match adapter.get_info().device_type {
        DeviceType::DiscreteGpu => 0,
        DeviceType::IntegratedGpu => 1,
        DeviceType::VirtualGpu => 2,
        DeviceType::Other => 3,
        DeviceType::Cpu => 4,
    });
    adapters
}

/// The best adapter, or the best whose name contains `name` (in any case).
pub(super) async fn choose(name: Option<&str>) -> Result<Adapter> {
    let adapters = ranked().await;
    if adapters.is_empty() {
        return Err(Error::NoAdapter(
            "no GPU adapter was found. Install your GPU's Vulkan driver, or Mesa's software \
             adapter: apt-get install -y mesa-vulkan-drivers"
                .into(),
        ));
    }
    let matches = |adapter: &Adapter| {
        name.is_none_or(|name| {
            adapter.get_info().name.to_lowercase().contains(&name.to_lowercase())
        })
    };
    let names: Vec<String> = adapters.iter().map(|adapter| adapter.get_info().name).collect();
    adapters.into_iter().find(matches).ok_or_else(|| {
        Error::NoAdapter(format!(
            "no adapter's name contains {:?}; there are: {}",
            name.unwrap_or_default(),
            names.join(", ")
        ))
    })
}
