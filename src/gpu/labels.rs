//! What the objects of a model are called in a debugger, in a capture and in wgpu's errors.

use std::borrow::Cow;
use std::sync::Arc;

use wgpu::{CommandEncoder, CommandEncoderDescriptor};

use super::device::Gpu;

impl Gpu {
    /// The same device, on which the labels of all that a model or executor makes for itself begin
    /// with `prefix` and a dot, before `minibatch.`: buffers, bind groups, encoders, passes. An
    /// empty one, as by default, adds nothing. A kernel's module, pipeline and layouts belong to all
    /// models of the device that run it, so their labels have no prefix.
    /// [`Compiled::label_prefix`](crate::Compiled::label_prefix) replaces it for its model.
    pub fn with_label_prefix(mut self, prefix: &str) -> Self {
        self.label_prefix = match prefix {
            "" => Arc::default(),
            prefix => format!("{prefix}.").into(),
        };
        self
    }

    /// The label of something that belongs to one model.
    pub(super) fn label<'a>(&self, label: &'a str) -> Cow<'a, str> {
        match &*self.label_prefix {
            "" => Cow::Borrowed(label),
            prefix => Cow::Owned(format!("{prefix}{label}")),
        }
    }
}

/// An encoder that belongs to one model.
pub(super) fn encoder(gpu: &Gpu, label: &str) -> CommandEncoder {
    gpu.device.create_command_encoder(&CommandEncoderDescriptor { label: Some(&gpu.label(label)) })
}
