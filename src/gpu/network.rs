//! A network's WGSL function with the live parameters that it reads.

use wgpu::{
    BindGroupEntry, BindGroupLayoutEntry, BindingType, BufferBindingType, BufferSize, ShaderStages,
};

use super::executor::GpuExecutor;
use super::region::DeviceRegion;
use crate::error::Result;
use crate::program::{NetworkText, NetworkWgsl, network_text};

/// A trained network as a function of WGSL, and the buffers that it reads.
///
/// `text` declares `fn network(x: array<f32, N>) -> array<f32, M>` under the name that
/// [`NetworkWgsl`] gives it, with all that it needs. Pasted into a shader of the host's, it computes
/// what [`predict`](crate::Model::predict) computes for one sample, in any stage, with the parameters as
/// they are when the shader runs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NetworkShader {
    /// Declarations of WGSL, to be pasted into the text of a shader.
    pub text: String,
    /// The bind group that the function reads.
    pub group: u32,
    /// Its bindings: storage buffers that are only read, at most two.
    pub bindings: Vec<NetworkBinding>,
    /// N: values of a sample.
    pub inputs: usize,
    /// M: values of a prediction.
    pub outputs: usize,
}

/// A buffer that a network's function reads.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NetworkBinding {
    /// Its number in the group.
    pub binding: u32,
    /// All parameters of one kind, one after the other.
    pub region: DeviceRegion,
}

impl NetworkBinding {
    /// It as an entry of a bind group.
    #[must_use]
    pub fn entry(&self) -> BindGroupEntry<'_> {
        BindGroupEntry { binding: self.binding, resource: self.region.as_binding() }
    }
}

impl NetworkShader {
    /// The entries of the group's layout, for shaders of these stages.
    #[must_use]
    pub fn layout_entries(&self, visibility: ShaderStages) -> Vec<BindGroupLayoutEntry> {
        let entry = |binding: &NetworkBinding| BindGroupLayoutEntry {
            binding: binding.binding,
            visibility,
            ty: BindingType::Buffer {
                ty: BufferBindingType::Storage { read_only: true },
                has_dynamic_offset: false,
                min_binding_size: BufferSize::new(16),
            },
            count: None,
        };
        self.bindings.iter().map(entry).collect()
    }

    /// The entries of the bind group.
    #[must_use]
    pub fn entries(&self) -> Vec<BindGroupEntry<'_>> {
        self.bindings.iter().map(NetworkBinding::entry).collect()
    }
}

impl GpuExecutor {
    /// The program's prediction as a function of WGSL.
    ///
    /// # Errors
    /// As [`Model::network_wgsl`](crate::Model::network_wgsl).
    pub fn network(&self, settings: &NetworkWgsl) -> Result<NetworkShader> {
        let NetworkText { text, bindings, inputs, outputs } =
            network_text(&self.program, settings)?;
        let region = |(binding, id)| {
            Ok(NetworkBinding { binding, region: DeviceRegion::of(&self.table, id)? })
        };
        let bindings = bindings.into_iter().map(region).collect::<Result<_>>()?;
        Ok(NetworkShader { text, group: settings.in_group(), bindings, inputs, outputs })
    }
}
