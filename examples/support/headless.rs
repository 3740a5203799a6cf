//! Frames without a window: each is drawn into a texture, and the last one is written to a file.

use std::fs::File;
use std::path::Path;

use minibatch::wgpu;

use super::frames::{Make, Scene};
use super::host::Host;
use super::{Result, png_file};

const FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;

pub(crate) fn show<S: Scene>(frames: u32, path: &Path, make: Make<S>) -> Result<()> {
    // Before anything is computed that would be lost.
    let file = File::create(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let instance =
        wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
    let host = Host::new(&instance, None)?;
    let mut scene = make(&host, FORMAT)?;
    let (width, height) = scene.size();
    let texture = host.device.create_texture(&wgpu::TextureDescriptor {
        label: Some("picture"),
        size: wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format: FORMAT,
        usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::COPY_SRC,
        view_formats: &[],
    });
    let view = texture.create_view(&Default::default());
    let mut before = None;
    for frame in 1..=frames {
        let mut encoder = host.device.create_command_encoder(&Default::default());
        scene.advance(&host, &mut encoder)?;
        scene.draw(&mut encoder, &view);
        let submission = host.queue.submit([encoder.finish()]);
        // As a window does, which shows one frame while the next is made.
        if let Some(submission_index) = before.replace(submission) {
            let submission_index = Some(submission_index);
            host.device.poll(wgpu::PollType::Wait { submission_index, timeout: None })?;
        }
        scene.submitted(&host, frame)?;
        host.check()?;
    }
    png_file::write(file, width, height, &read_back(&host, &texture)?)?;
    scene.finish(&host)?;
    host.check()
}

/// The pixels of a texture, row after row.
fn read_back(host: &Host, texture: &wgpu::Texture) -> Result<Vec<u8>> {
    let (size, row) = (texture.size(), texture.width() * 4);
    let stride = row.next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT);
    let buffer = host.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("picture"),
        size: u64::from(stride) * u64::from(size.height),
        usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
        mapped_at_creation: false,
    });
    let mut encoder = host.device.create_command_encoder(&Default::default());
    let layout = wgpu::TexelCopyBufferLayout {
        offset: 0,
        bytes_per_row: Some(stride),
        rows_per_image: None,
    };
    encoder.copy_texture_to_buffer(
        texture.as_image_copy(),
        wgpu::TexelCopyBufferInfo { buffer: &buffer, layout },
        size,
    );
    host.queue.submit([encoder.finish()]);
    let (sender, receiver) = std::sync::mpsc::channel();
    buffer.map_async(wgpu::MapMode::Read, .., move |result| {
        // Nobody listens any more if polling failed.
        let _ = sender.send(result);
    });
    host.device.poll(wgpu::PollType::wait_indefinitely())?;
    receiver.recv()??;
    let mapped = buffer.get_mapped_range(..)?;
    Ok(mapped
        .chunks_exact(stride as usize)
        .flat_map(|line| line.iter().take(row as usize))
        .copied()
        .collect())
}
