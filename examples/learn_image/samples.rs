//! The host's compute pass that draws the pixels of a step.

use minibatch::wgpu;
use minibatch::wgpu::util::DeviceExt;

use crate::picture::Picture;
use crate::support::host::Host;

/// Pixels of a step.
pub(crate) const ROWS: u32 = 16_384;
/// Invocations of a workgroup, as samples.wgsl has them.
const GROUP: u32 = 64;

/// Random pixels of a picture on the device: other ones each time.
pub(crate) struct Samples {
    /// Opacity, blue, green and red of each pixel, eight bits each, from the highest bits on.
    pub(crate) pixels: wgpu::Buffer,
    /// `[ROWS, 2]`: to the right and down, 0 to 1.
    pub(crate) places: wgpu::Buffer,
    /// `[ROWS, 3]`, a row each 16 bytes: red, green and blue, 0 to 1.
    pub(crate) colours: wgpu::Buffer,
    bindings: wgpu::BindGroup,
    draw: wgpu::ComputePipeline,
    count: wgpu::ComputePipeline,
}

impl Samples {
    pub(crate) fn new(host: &Host, picture: &Picture) -> Self {
        let bytes: Vec<u8> =
            picture.pixels.iter().flat_map(|&[red, green, blue]| [red, green, blue, 255]).collect();
        let pixels = host.device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: Some("pixels"),
            contents: &bytes,
            usage: wgpu::BufferUsages::STORAGE,
        });
        let places = host.storage("places", u64::from(ROWS) * 8);
        let colours = host.storage("colours", u64::from(ROWS) * 16);
        let step = host.storage("step", 4);
        let module =
            host.module("samples.wgsl", picture.size_text() + include_str!("samples.wgsl"));
        let layout = host.buffers_layout(wgpu::ShaderStages::COMPUTE, &[true, false, false, false]);
        let buffers =
            [&pixels, &places, &colours, &step].map(wgpu::Buffer::as_entire_buffer_binding);
        let bindings = host.bind(&layout, &buffers);
        let [draw, count] =
            ["draw", "count"].map(|entry| host.compute_pipeline(&[&layout], &module, entry));
        Samples { pixels, places, colours, bindings, draw, count }
    }

    pub(crate) fn record(&self, encoder: &mut wgpu::CommandEncoder) {
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_bind_group(0, &self.bindings, &[]);
        pass.set_pipeline(&self.draw);
        pass.dispatch_workgroups(ROWS / GROUP, 1, 1);
        pass.set_pipeline(&self.count);
        pass.dispatch_workgroups(1, 1, 1);
    }
}
