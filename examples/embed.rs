//! Training inside a wgpu application: its device, its queue, its encoder.
//! `cargo run --release --example embed`
//!
//! The host renders, or computes, as it always does; each frame it lets the model record a step into
//! the same encoder. Half of the frames train on rows of a buffer that lies on the device, which
//! passes of the host's might have written, the others on samples in host memory. The model neither
//! submits nor waits.

use minibatch::data::{Batch, Dataset, Features, Targets};
use minibatch::random::{Random, Stream};
use minibatch::{Activation, Adam, DeviceColumns, DeviceRows, Error, Gpu, Loss, Sequential, wgpu};

const SAMPLES: u32 = 4096;
const BATCH_SIZE: u32 = 256;
const FRAMES: u32 = 800;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    minibatch::gpu::block_on(run())
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    // What the host has already: a device, here with WebGPU's default limits, and a buffer of
    // samples, `[x, y, target]` each.
    let descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
    let instance = wgpu::Instance::new(descriptor);
    let adapter = instance.request_adapter(&wgpu::RequestAdapterOptions::default()).await?;
    let (device, queue) = adapter.request_device(&wgpu::DeviceDescriptor::default()).await?;
    let samples = samples();
    let buffer = device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("samples"),
        size: u64::from(12 * SAMPLES),
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    let bytes: Vec<u8> = samples.iter().flatten().flat_map(|value| value.to_le_bytes()).collect();
    queue.write_buffer(&buffer, 0, &bytes);

    // The guest.
    let gpu = Gpu::from_device(device.clone(), queue.clone());
    let mut model = Sequential::new(2)
        .dense(32, Activation::Tanh)
        .dense(32, Activation::Tanh)
        .dense(1, Activation::Linear)
        .compile(Adam::new(0.005), Loss::MeanSquaredError, [])
        .build_async(&gpu)
        .await?;
    let rows = DeviceRows::new(&buffer, SAMPLES).stride(12);
    let columns = DeviceColumns::new().input("x", rows.clone()).target("y", rows.offset(8));
    let on_device = model.bind_rows(columns, BATCH_SIZE as usize).await?;
    let inputs: Vec<f32> = samples.iter().flat_map(|&[x, y, _]| [x, y]).collect();
    let targets = Targets::values(samples.iter().map(|&[_, _, target]| target).collect(), 1);
    let on_host = Dataset::new(Features::F32(inputs.into()), &[2], targets)?;

    for frame in 0..FRAMES {
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        // ... the host's own passes go here ...
        let first = frame * BATCH_SIZE % SAMPLES;
        let rows = first..first + BATCH_SIZE;
        let recorded = if frame < FRAMES / 2 {
            model.record_step_on(&mut encoder, &on_device, rows)
        } else {
            let indices: Vec<u32> = rows.collect();
            model.record_step(&mut encoder, Batch { data: &on_host, indices: &indices })
        };
        match recorded {
            Ok(()) => {}
            // All upload slots are in flight: this frame trains nothing.
            Err(Error::Busy { .. }) => println!("frame {frame}: the GPU is behind"),
            Err(error) => return Err(error.into()),
        }
        queue.submit([encoder.finish()]);
        device.poll(wgpu::PollType::wait_indefinitely())?;
        if (frame + 1) % 100 == 0
            && let Some(scores) = model.take_scores().await?
        {
            println!("frame {:3}: loss {:.5}", frame + 1, scores.loss);
        }
    }
    Ok(())
}

/// Points of the square from -1 to 1, and a function of them.
fn samples() -> Vec<[f32; 3]> {
    let mut random = Random::new(0, Stream::Shuffle(0));
    let mut coordinate = || random.range(-1.0, 1.0) as f32;
    (0..SAMPLES)
        .map(|_| {
            let (x, y) = (coordinate(), coordinate());
            [x, y, (3.0 * x).sin() * (2.0 * y).cos()]
        })
        .collect()
}
