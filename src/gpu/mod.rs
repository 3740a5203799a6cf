//! Runs a [`Program`](crate::program::Program) on wgpu: one WGSL kernel an operation, all of them
//! recorded into one encoder and one compute pass a step.
//!
//! As a guest on the host's device ([`Gpu::from_device`]) it installs no handlers, asks for no
//! features and, through [`GpuExecutor::record`], neither submits nor waits.

mod adapter;
mod bound_rows;
mod budget;
mod completion;
mod device;
mod device_element;
mod device_rows;
mod dispatches;
mod executor;
mod failure;
mod faults;
mod feed;
mod gather;
mod gather_feed;
mod gathered;
mod kept;
mod kernel_limits;
mod labels;
mod limits;
mod marginal;
mod memory;
mod network;
mod optional;
mod own_metrics;
mod pace;
mod pipeline;
mod pipeline_cache;
mod placing;
mod plans;
#[cfg(not(target_arch = "wasm32"))]
mod polling;
mod readback;
mod recorded;
mod region;
mod resident;
mod scopes;
mod scored;
mod shard_metrics;
mod shards;
mod slots;
mod staging;
mod step_times;
mod table;
mod taking;
mod timestamps;
mod trial;
mod upload;
mod values;

pub use crate::operation::{
    Access, AdapterClass, FusedFrom, FusedSteps, Kernel, KernelForm, KernelForms, MatrixForm,
};
pub use crate::program::NetworkWgsl;
pub use adapter::{adapter_class, adapter_key, adapters, is_software};
pub use bound_rows::BoundRows;
pub use device::{Gpu, ShaderEdit};
pub use device_element::DeviceElement;
pub use device_rows::DeviceRows;
pub use executor::GpuExecutor;
#[doc(hidden)]
pub use faults::{Fault, Faults};
pub use feed::{GpuColumn, GpuFeed};
pub use gather::gather_kernel;
pub use gather_feed::{GatherColumn, GatherFeed};
pub(crate) use limits::check_room;
pub use memory::planned_memory;
pub use network::{NetworkBinding, NetworkShader};
pub use placing::place_kernel;
#[cfg(not(target_arch = "wasm32"))]
pub use polling::block_on;
pub use region::DeviceRegion;
pub use resident::Resident;
pub use shards::Gradients;
pub(crate) use staging::Scored;
pub(crate) use taking::Taken;
pub use trial::{Trial, Tried};
pub(crate) use upload::RowStep;
pub use wgpu::{AdapterInfo, CommandEncoder, DeviceType};
