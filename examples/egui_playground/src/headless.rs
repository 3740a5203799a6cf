//! The same app without a window: a script presses the buttons, and the last frame becomes a PNG.

use std::error::Error;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use eframe::egui::{self, Event, PointerButton, Pos2, Rect};
use egui_wgpu::{RenderState, RendererOptions, ScreenDescriptor, WgpuConfiguration};
use minibatch::wgpu;

use crate::WINDOW;
use crate::app::Playground;
use crate::settings::Task;

const SCREEN: [u32; 2] = [WINDOW.x as u32, WINDOW.y as u32];

/// Steps of a frame.
const STEPS: usize = 8;

/// Lets `frames` frames pass: train is pressed in the first of them, and after the half of them the
/// batch size is set to 128. Writes the last as a PNG, and prints how far the network is.
///
/// # Errors
/// What the panel shows as a problem, after that frame is written; and what fails around it.
pub fn run(
    configuration: &WgpuConfiguration,
    task: Task,
    frames: usize,
    out: &Path,
) -> Result<(), Box<dyn Error>> {
    let shared = minibatch::gpu::block_on(async {
        let instance = configuration.wgpu_setup.new_instance().await;
        RenderState::create(configuration, &instance, None, RendererOptions::default()).await
    })?;
    let context = egui::Context::default();
    let mut playground = Playground::new(&context, &shared, task);
    playground.pace.steps = Some(STEPS);
    let target = Target::new(&shared);
    // One more frame shows a problem in the panel.
    let (mut problem, mut shown_problem) = (None, false);
    for frame in 0..frames {
        let mut events = Vec::new();
        // A widget's place is known after the frame that it was first laid out in; the pointer
        // comes in one frame, presses in the next, and is released in a third.
        match frame {
            2..5 => press(&playground, "train", frame - 2, &mut events),
            _ if frame >= 5 && (frames / 2..frames / 2 + 3).contains(&frame) => {
                press(&playground, "batch size 128", frame - frames / 2, &mut events);
            }
            _ => {}
        }
        let input = egui::RawInput {
            screen_rect: Some(Rect::from_min_size(Pos2::ZERO, WINDOW)),
            // As if 60 frames passed a second, whatever they take: a long press would be no click.
            time: Some(frame as f64 / 60.0),
            events,
            ..Default::default()
        };
        let output = context.run_ui(input, |ui| playground.show(ui));
        target.draw(&shared, &context, output)?;
        problem = playground.problem().map(|problem| format!("frame {frame}: {problem}"));
        if problem.is_some() && shown_problem {
            break;
        }
        shown_problem = problem.is_some();
    }
    target.write(&shared, out)?;
    if let Some(problem) = problem {
        return Err(problem.into());
    }
    let (loss, accuracy, steps) = playground.summary().ok_or("no step was trained")?;
    println!("{frames} frames, {steps} steps: loss {loss:.4}, accuracy {accuracy:.4}");
    Ok(())
}

/// One of the three events of a click on a widget.
fn press(playground: &Playground, name: &str, part: usize, events: &mut Vec<Event>) {
    let Some(place) = playground.places.get(name) else { return };
    let pos = place.center();
    events.push(match part {
        0 => Event::PointerMoved(pos),
        _ => Event::PointerButton {
            pos,
            button: PointerButton::Primary,
            pressed: part == 1,
            modifiers: egui::Modifiers::NONE,
        },
    });
}

/// The texture that stands for the window.
struct Target {
    texture: wgpu::Texture,
}

impl Target {
    fn new(shared: &RenderState) -> Self {
        let texture = shared.device.create_texture(&wgpu::TextureDescriptor {
            label: Some("window"),
            size: extent(),
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: shared.target_format,
            usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::COPY_SRC,
            view_formats: &[],
        });
        Target { texture }
    }

    /// What eframe does with the output of a frame.
    fn draw(
        &self,
        shared: &RenderState,
        context: &egui::Context,
        output: egui::FullOutput,
    ) -> Result<(), Box<dyn Error>> {
        let RenderState { device, queue, .. } = shared;
        let mut renderer = shared.renderer.write();
        let mut textures = output.textures_delta;
        for (id, changes) in std::mem::take(&mut textures.set) {
            for change in &changes {
                renderer.update_texture(device, queue, id, change);
            }
        }
        let jobs = context.tessellate(output.shapes, output.pixels_per_point);
        let screen =
            ScreenDescriptor { size_in_pixels: SCREEN, pixels_per_point: output.pixels_per_point };
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut buffers = renderer.update_buffers(device, queue, &mut encoder, &jobs, &screen);
        let view = self.texture.create_view(&wgpu::TextureViewDescriptor::default());
        let pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
            label: Some("egui"),
            color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                view: &view,
                depth_slice: None,
                resolve_target: None,
                ops: wgpu::Operations {
                    load: wgpu::LoadOp::Clear(wgpu::Color::BLACK),
                    store: wgpu::StoreOp::Store,
                },
            })],
            ..Default::default()
        });
        renderer.render(&mut pass.forget_lifetime(), &jobs, &screen);
        buffers.push(encoder.finish());
        queue.submit(buffers);
        for id in std::mem::take(&mut textures.free) {
            renderer.free_texture(&id);
        }
        // The host waits for its frame, as a window does for the display.
        device.poll(wgpu::PollType::wait_indefinitely())?;
        Ok(())
    }

    fn write(&self, shared: &RenderState, out: &Path) -> Result<(), Box<dyn Error>> {
        let [width, height] = SCREEN;
        let row = (4 * width).next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT);
        let buffer = shared.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("picture"),
            size: u64::from(row * height),
            usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
            mapped_at_creation: false,
        });
        let mut encoder =
            shared.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_texture_to_buffer(
            self.texture.as_image_copy(),
            wgpu::TexelCopyBufferInfo {
                buffer: &buffer,
                layout: wgpu::TexelCopyBufferLayout {
                    offset: 0,
                    bytes_per_row: Some(row),
                    rows_per_image: None,
                },
            },
            extent(),
        );
        shared.queue.submit([encoder.finish()]);
        let (done, mapped) = std::sync::mpsc::channel();
        buffer.slice(..).map_async(wgpu::MapMode::Read, move |result| {
            // The other end waits below.
            let _ = done.send(result);
        });
        shared.device.poll(wgpu::PollType::wait_indefinitely())?;
        mapped.recv()??;
        let bytes = buffer.slice(..).get_mapped_range()?;
        let rows = bytes.chunks_exact(row as usize);
        let texels: Vec<u8> = rows.flat_map(|row| &row[..4 * width as usize]).copied().collect();
        let mut encoder = png::Encoder::new(BufWriter::new(File::create(out)?), width, height);
        encoder.set_color(png::ColorType::Rgba);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.write_header()?.write_image_data(&texels)?;
        Ok(())
    }
}

fn extent() -> wgpu::Extent3d {
    let [width, height] = SCREEN;
    wgpu::Extent3d { width, height, depth_or_array_layers: 1 }
}
