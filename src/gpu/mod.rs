//! Runs a [`Program`](crate::program::Program) on wgpu: one WGSL kernel an operation, all of them
//! recorded into one encoder and one compute pass a step.
//!
//! As a guest on the host's device ([`Gpu::from_device`]) it installs no handlers, asks for no
//! features and, through [`GpuExecutor::record`], neither submits nor waits.

mod adapter;
mod completion;
mod device;
mod device_element;
mod dispatches;
mod executor;
mod feed;
mod gather;
mod gather_feed;
mod gathered;
mod kept;
mod limits;
mod memory;
mod network;
mod pace;
mod pipeline;
mod pipeline_cache;
mod plans;
#[cfg(not(target_arch = "wasm32"))]
mod polling;
mod readback;
mod region;
mod resident;
mod staging;
mod table;
mod timestamps;
mod upload;
mod values;

pub use crate::operation::{Access, AdapterClass, FusedFrom, FusedSteps, Kernel, MatrixForm};
pub use crate::program::NetworkWgsl;
pub use adapter::{adapter_class, adapters, is_software};
pub use device::{Gpu, ShaderEdit};
pub use device_element::DeviceElement;
pub use executor::GpuExecutor;
pub use feed::{GpuColumn, GpuFeed};
pub use gather::gather_kernel;
pub use gather_feed::{GatherColumn, GatherFeed};
pub(crate) use limits::check_room;
pub use memory::planned_memory;
pub use network::{NetworkBinding, NetworkShader};
#[cfg(not(target_arch = "wasm32"))]
pub use polling::block_on;
pub use region::DeviceRegion;
pub use resident::Resident;
pub use wgpu::{AdapterInfo, CommandEncoder, DeviceType};
