//! Runs a [`Program`](crate::program::Program) on wgpu: one WGSL kernel an operation, all of them
//! recorded into one encoder and one compute pass a step.
//!
//! As a guest on the host's device ([`Gpu::from_device`]) it installs no handlers, asks for no
//! features and, through [`GpuExecutor::record`], neither submits nor waits.

mod adapter;
mod completion;
mod device;
mod dispatches;
mod executor;
mod feed;
mod gather;
mod gather_feed;
mod gathered;
mod kept;
mod limits;
mod optional;
mod pace;
mod pipeline;
mod pipeline_cache;
mod plans;
#[cfg(not(target_arch = "wasm32"))]
mod polling;
mod readback;
mod resident;
mod staging;
mod table;
mod timestamps;
mod trial;
mod upload;
mod values;

pub use crate::operation::{
    Access, AdapterClass, FusedFrom, FusedSteps, Kernel, KernelForm, KernelForms, MatrixForm,
};
pub use adapter::{adapter_class, adapter_key, adapters, is_software};
pub use device::{Gpu, ShaderEdit};
pub use executor::GpuExecutor;
pub use feed::{GpuColumn, GpuFeed};
pub use gather::gather_kernel;
pub use gather_feed::{GatherColumn, GatherFeed};
#[cfg(not(target_arch = "wasm32"))]
pub use polling::block_on;
pub use resident::Resident;
pub use trial::{Trial, Tried};
pub use upload::bytes as upload_bytes;
pub use wgpu::{AdapterInfo, CommandEncoder, DeviceType};
