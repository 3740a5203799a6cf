//! Finding an adapter, and what has to be known of one: everything that depends on the kind of
//! adapter stands here.

use wgpu::{Adapter, AdapterInfo, DeviceType, Features, Instance, InstanceDescriptor};

use crate::error::{Error, Result};
use crate::operation::{AdapterClass, DeviceModel, MatrixForm};

/// What wgpu tells of the adapters of this machine, best first: discrete, integrated, virtual,
/// then software.
pub async fn adapters() -> Vec<AdapterInfo> {
    ranked().await.iter().map(Adapter::get_info).collect()
}

/// A text that is another one for every other adapter, driver and version of this crate, an older of
/// which had other kernels: what was found of an adapter holds as long as it stays the same.
pub fn adapter_key(info: &AdapterInfo) -> String {
    let AdapterInfo { backend, vendor, device, name, driver, driver_info, .. } = info;
    let version = env!("CARGO_PKG_VERSION");
    format!("{backend}\n{vendor}\n{device}\n{name}\n{driver}\n{driver_info}\n{version}\n")
}

/// True for an adapter that computes on the CPU, such as Mesa's lavapipe.
pub fn is_software(info: &AdapterInfo) -> bool {
    info.device_type == DeviceType::Cpu
}

/// What an adapter is for those who choose kernels, given the features of the device made on it. A
/// pure function, so that the same adapter always runs the same kernels.
pub fn adapter_class(info: &AdapterInfo, features: Features) -> AdapterClass {
    match (is_software(info), runs(info, features, MatrixForm::Subgroup)) {
        (false, _) => AdapterClass::Hardware,
        (true, false) => AdapterClass::Software,
        (true, true) => AdapterClass::SoftwareSubgroups,
    }
}

/// How long such a device takes for what. wgpu does not tell how many processors a device has, so a
/// kind of device has one model.
pub(super) fn device_model(info: &AdapterInfo) -> DeviceModel {
    match info.device_type {
        DeviceType::DiscreteGpu => DeviceModel::DISCRETE,
        DeviceType::IntegratedGpu => DeviceModel::INTEGRATED,
        // A software adapter has forms of its own, and no use for it.
        DeviceType::VirtualGpu | DeviceType::Other | DeviceType::Cpu => DeviceModel::OTHER,
    }
}

/// Whether matrix kernels of `form` are right on such a device.
pub(super) fn runs(info: &AdapterInfo, features: Features, form: MatrixForm) -> bool {
    let sizes = [info.subgroup_min_size, info.subgroup_max_size];
    form != MatrixForm::Subgroup
        || features.contains(Features::SUBGROUP) && sizes == [MatrixForm::SUBGROUP_SIZE; 2]
}

/// Most terms that one output of a kernel may be a sum of. Mesa's llvmpipe silently ends an
/// invocation's loops after 65,535 iterations, each of which takes at least four terms here.
pub(super) fn most_terms(info: &AdapterInfo) -> usize {
    if is_software(info) { 4 * 65_535 } else { u32::MAX as usize }
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

/// Which adapter is meant.
#[derive(Debug, Clone, Copy)]
pub(super) enum Which<'a> {
    /// The best one.
    Best,
    /// The best whose name contains this, in any case.
    Named(&'a str),
    /// That at this place of [`adapters`].
    At(usize),
}

impl<'a> From<Option<&'a str>> for Which<'a> {
    fn from(name: Option<&'a str>) -> Self {
        name.map_or(Which::Best, Which::Named)
    }
}

/// The adapter that is meant.
pub(super) async fn choose(which: Which<'_>) -> Result<Adapter> {
    let mut adapters = ranked().await;
    if adapters.is_empty() {
        return Err(Error::NoAdapter(
            "no GPU adapter was found. Install your GPU's Vulkan driver, or Mesa's software \
             adapter: apt-get install -y mesa-vulkan-drivers"
                .into(),
        ));
    }
    let names: Vec<String> = adapters.iter().map(|adapter| adapter.get_info().name).collect();
    let (place, problem) = match which {
        Which::Best => (Some(0), String::new()),
        Which::Named(name) => {
            let part = name.to_lowercase();
            let place = names.iter().position(|name| name.to_lowercase().contains(&part));
            (place, format!("no adapter's name contains {name:?}"))
        }
        Which::At(place) => (Some(place), format!("there is no adapter at place {place}")),
    };
    match place.filter(|&place| place < adapters.len()) {
        Some(place) => Ok(adapters.swap_remove(place)),
        None => Err(Error::NoAdapter(format!("{problem}; there are: {}", names.join(", ")))),
    }
}
